/** The row order that llama.cpp's converter gives to query and key projections, and how to undo it. */

/**
 * Where each row of a published query or key projection lies in the GGUF tensor that llama.cpp's converter made of it.
 *
 * Checkpoints keep the two halves of a rotated pair half a head apart, ggml wants them side by side: in each head, row
 * j · d/2 + i became row 2 · i + j (d rows per head, j is 0 or 1). The converter does so for `blk.N.attn_q` and
 * `blk.N.attn_k` of the llama family, whose heads are `llama.attention.head_count`, for keys `…head_count_kv`.
 * @returns for row r of the checkpoint, its row in the GGUF tensor; the inverse of what the converter did
 * @throws TypeError when the rows do not make whole heads of pairs
 * @see `LlamaModel.permute` in llama.cpp's convert_hf_to_gguf.py
 */
export function toRotaryRows(rows: number, heads: number): Uint32Array {
  const headRows = rows / heads;
  if (heads < 1 || !Number.isInteger(headRows) || headRows % 2 !== 0) {
    throw new TypeError(`${rows} rows are not ${heads} heads of pairs`);
  }
  const half = headRows / 2;
  return Uint32Array.from({ length: rows }, (_, row) => {
    const inHead = row % headRows;
    return row - inHead + 2 * (inHead % half) + Math.floor(inHead / half);
  });
}
