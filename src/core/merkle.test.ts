import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findHexBytes, toHex, u32be } from './bytes.ts';
import {
  CompactRange,
  hashLeaf,
  hashNode,
  isConsistencyProven,
  isInclusionProven,
  toConsistencyProof,
  toEmptyRoot,
  toInclusionProof,
  toMerkleRoot,
  toNodeReader,
  toRootAt,
} from './merkle.ts';

// Inputs and roots of the certificate-transparency reference implementation (google/certificate-transparency,
// merkletree tests), also used by the Go and Rust logs.
const INPUTS = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];
const leaves = INPUTS.map((hex) => hashLeaf(findHexBytes(hex)!));
const runs = process.env.SLOW === '1' ? 5000 : 200;

function makeLeaves(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => hashLeaf(u32be(i)));
}

describe('merkle', () => {
  test('roots are those of the certificate-transparency reference', () => {
    expect(toHex(toEmptyRoot())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    const node = toNodeReader(leaves);
    const range = new CompactRange();
    for (const [i, root] of ROOTS.entries()) {
      range.append(leaves[i]);
      expect(toHex(range.toRoot())).toBe(root);
      expect(toHex(toRootAt(i + 1, node))).toBe(root);
      expect(toHex(toMerkleRoot(leaves.slice(0, i + 1)))).toBe(root);
    }
  });

  test('the inclusion proofs of a seven-leaf tree are those drawn in RFC 6962 §2.1.3', () => {
    const [a, b, c, d, e, f, j] = makeLeaves(7);
    const [g, h, i] = [hashNode(a, b), hashNode(c, d), hashNode(e, f)];
    const [k, l] = [hashNode(g, h), hashNode(i, j)];
    const proof = (index: number) => toInclusionProof({ index, size: 7, node: toNodeReader(makeLeaves(7)) });
    expect(proof(0)).toEqual([b, h, l]);
    expect(proof(3)).toEqual([c, g, l]);
    expect(proof(4)).toEqual([f, j, k]);
    expect(proof(6)).toEqual([i, k]);
    const consistency = (first: number) => toConsistencyProof({ first, second: 7, node: toNodeReader(makeLeaves(7)) });
    expect(consistency(3)).toEqual([c, d, g, l]);
    expect(consistency(4)).toEqual([l]);
    expect(consistency(6)).toEqual([i, j, k]);
  });

  test('every inclusion and consistency proof of trees up to 70 leaves is accepted, and of no other place', () => {
    const node = toNodeReader(makeLeaves(70));
    for (let size = 1; size <= 70; size += 1) {
      const root = toRootAt(size, node);
      for (let index = 0; index < size; index += 1) {
        const proof = toInclusionProof({ index, size, node });
        const leafHash = node(0, index);
        expect(isInclusionProven({ leafHash, index, size, proof, root })).toBe(true);
        expect(isInclusionProven({ leafHash, index: (index + 1) % size, size, proof, root })).toBe(size === 1);
      }
      for (let first = 0; first <= size; first += 1) {
        const proof = toConsistencyProof({ first, second: size, node });
        const evidence = { first, firstRoot: toRootAt(first, node), second: size, secondRoot: root, proof };
        expect(isConsistencyProven(evidence)).toBe(true);
      }
    }
  });

  test('a proof with a bit flipped, a hash missing or added, or another size proves nothing', () => {
    const node = toNodeReader(makeLeaves(300));
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 300 }), fc.nat(), fc.nat(), fc.nat(2), (size, at, bit, kind) => {
        const index = at % size;
        const proof = toInclusionProof({ index, size, node }).map((hash) => hash.slice());
        if (kind === 0) proof[bit % proof.length][(bit >> 3) % 32] ^= 1 << (bit & 7);
        else if (kind === 1) proof.splice(bit % proof.length, 1);
        else proof.splice(bit % (proof.length + 1), 0, node(0, bit % 300).slice());
        const evidence = { leafHash: node(0, index), index, size, proof, root: toRootAt(size, node) };
        return !isInclusionProven(evidence);
      }),
      { numRuns: runs },
    );
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 300 }), fc.nat(), fc.nat(), (second, at, bit) => {
        const first = 1 + (at % (second - 1));
        const proof = toConsistencyProof({ first, second, node }).map((hash) => hash.slice());
        const roots = { firstRoot: toRootAt(first, node), secondRoot: toRootAt(second, node) };
        const forged = proof.map((hash) => hash.slice());
        forged[bit % forged.length][(bit >> 3) % 32] ^= 1 << (bit & 7);
        const isProven = (changed: Uint8Array[], by = 0) =>
          isConsistencyProven({ first: first + by, second, ...roots, proof: changed });
        return isProven(proof) && !isProven(forged) && !isProven(proof.slice(1)) && !isProven([...proof, node(0, 0)]);
      }),
      { numRuns: runs },
    );
  });

  test('sizes that are no sizes prove nothing, and asking for their proofs is a mistake of the caller', () => {
    const node = toNodeReader(makeLeaves(4));
    const base = { leafHash: node(0, 0), proof: [], root: node(0, 0) };
    for (const [index, size] of [
      [0, 0],
      [1, 1],
      [-1, 4],
      [0.5, 4],
      [0, 2 ** 60],
      [Number.NaN, 4],
    ]) {
      expect(isInclusionProven({ ...base, index, size })).toBe(false);
      expect(() => toInclusionProof({ index, size, node })).toThrow(TypeError);
    }
    expect(isInclusionProven({ ...base, index: 0, size: 2 ** 53 - 1 })).toBe(false);
    expect(() => toConsistencyProof({ first: 5, second: 4, node })).toThrow(TypeError);
    expect(isConsistencyProven({ first: 5, second: 4, firstRoot: base.root, secondRoot: base.root, proof: [] })).toBe(
      false,
    );
    expect(isConsistencyProven({ first: 0, second: 4, firstRoot: base.root, secondRoot: base.root, proof: [] })).toBe(
      false,
    );
  });

  test('positions beyond 32 bits are computed right', () => {
    // A tree of 2^40 + 1 equal leaves: level hashes are the same everywhere, so it needs no memory.
    const levels: Uint8Array[] = [hashLeaf(u32be(0))];
    for (let i = 0; i < 41; i += 1) levels.push(hashNode(levels[i], levels[i]));
    const node = (level: number): Uint8Array => levels[level];
    const size = 2 ** 40 + 1;
    const root = toRootAt(size, node);
    for (const index of [0, 2 ** 33 + 5, 2 ** 40 - 1, 2 ** 40]) {
      const proof = toInclusionProof({ index, size, node });
      expect(isInclusionProven({ leafHash: levels[0], index, size, proof, root })).toBe(true);
    }
    const first = 2 ** 35 + 3;
    const proof = toConsistencyProof({ first, second: size, node });
    const evidence = { first, firstRoot: toRootAt(first, node), second: size, secondRoot: root, proof };
    expect(isConsistencyProven(evidence)).toBe(true);
  });
});
