// Judge of notes and Merkle proofs with Go's reference packages: reads one JSON case a line, answers "ok" or the error.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type testCase struct {
	Kind       string   `json:"kind"`
	VKey       string   `json:"vkey"`
	Note       string   `json:"note"`
	Entry      string   `json:"entry"`
	Proof      []string `json:"proof"`
	Index      int64    `json:"index"`
	Size       int64    `json:"size"`
	Root       string   `json:"root"`
	LeafHash   string   `json:"leafHash"`
	First      int64    `json:"first"`
	FirstRoot  string   `json:"firstRoot"`
	Second     int64    `json:"second"`
	SecondRoot string   `json:"secondRoot"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var c testCase
		err := json.Unmarshal(in.Bytes(), &c)
		if err == nil {
			err = judge(c)
		}
		if err != nil {
			fmt.Fprintln(out, "error:", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Fprintln(out, "ok")
		}
	}
	if in.Err() != nil {
		fmt.Fprintln(os.Stderr, in.Err())
		os.Exit(1)
	}
}

func judge(c testCase) error {
	switch c.Kind {
	case "note":
		_, err := openNote(c.Note, c.VKey)
		return err
	case "checkpoint":
		head, err := openCheckpoint(c.Note, c.VKey)
		if err == nil && (head.N != c.Size || head.Hash.String() != c.Root) {
			err = errors.New("the checkpoint names another tree")
		}
		return err
	case "proof-file":
		return judgeProofFile(c)
	case "inclusion":
		proof, err := parseHashes(c.Proof)
		if err != nil {
			return err
		}
		root, err := tlog.ParseHash(c.Root)
		if err != nil {
			return err
		}
		leaf, err := tlog.ParseHash(c.LeafHash)
		if err != nil {
			return err
		}
		return tlog.CheckRecord(proof, c.Size, root, c.Index, leaf)
	case "consistency":
		proof, err := parseHashes(c.Proof)
		if err != nil {
			return err
		}
		first, err := tlog.ParseHash(c.FirstRoot)
		if err != nil {
			return err
		}
		second, err := tlog.ParseHash(c.SecondRoot)
		if err != nil {
			return err
		}
		return tlog.CheckTree(proof, c.Second, second, c.First, first)
	}
	return errors.New("unknown kind")
}

func openNote(text, vkey string) (*note.Note, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return note.Open([]byte(text), note.VerifierList(verifier))
}

func openCheckpoint(text, vkey string) (tlog.Tree, error) {
	n, err := openNote(text, vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != n.Sigs[0].Name || lines[3] != "" {
		return tlog.Tree{}, errors.New("not a checkpoint of this key")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	hash, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: hash}, err
}

// judgeProofFile reads a c2sp.org/tlog-proof@v1 file in Note, for the base64 Entry.
func judgeProofFile(c testCase) error {
	top, checkpoint, found := strings.Cut(c.Note, "\n\n")
	lines := strings.Split(top, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return errors.New("not a proof file")
	}
	head, err := openCheckpoint(checkpoint, c.VKey)
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	proof, err := parseHashes(lines[2:])
	if err != nil {
		return err
	}
	entry, err := base64.StdEncoding.DecodeString(c.Entry)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, head.N, head.Hash, index, tlog.RecordHash(entry))
}

func parseHashes(texts []string) ([]tlog.Hash, error) {
	hashes := []tlog.Hash{}
	for _, text := range texts {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}
