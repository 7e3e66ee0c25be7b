// A witness of another make (github.com/transparency-dev/witness) and a client of one, for tests.
//
// "serve LOG_VKEY SKEY" answers add-checkpoint on a free port of 127.0.0.1, and prints its address.
// "ask" reads one JSON question a line and answers each with one JSON line: what the client made of a witness's answer,
// or whether a note or proof file bears the cosignature of a witness.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"

	f_log "github.com/transparency-dev/formats/log"
	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/formats/proof"
	m_proof "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	client "github.com/transparency-dev/witness/client/http"
	"github.com/transparency-dev/witness/persistence/inmemory"
	"github.com/transparency-dev/witness/witness"
	"golang.org/x/mod/sumdb/note"
)

type question struct {
	Kind       string   `json:"kind"`
	Url        string   `json:"url"`
	Old        uint64   `json:"old"`
	Checkpoint string   `json:"checkpoint"`
	Proof      []string `json:"proof"`
	LogKey     string   `json:"logKey"`
	WitnessKey string   `json:"witnessKey"`
	ProofFile  string   `json:"proofFile"`
	Entry      string   `json:"entry"`
}

type answer struct {
	Error string `json:"error,omitempty"`
	Lines string `json:"lines,omitempty"`
	Size  uint64 `json:"size,omitempty"`
	Time  int64  `json:"time,omitempty"`
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "serve" {
		log.Fatal(serve(os.Args[2], os.Args[3]))
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<24)
	for in.Scan() {
		var q question
		err := json.Unmarshal(in.Bytes(), &q)
		var a answer
		if err == nil {
			a, err = reply(q)
		}
		if err != nil {
			a.Error = err.Error()
		}
		text, _ := json.Marshal(a)
		fmt.Println(string(text))
	}
}

func serve(logKey, secret string) error {
	verifier, err := note.NewVerifier(logKey)
	if err != nil {
		return err
	}
	signer, err := f_note.NewSignerForCosignatureV1(secret)
	if err != nil {
		return err
	}
	ctx := context.Background()
	w, err := witness.New(ctx, witness.Opts{
		Persistence: inmemory.New(),
		Signers:     []note.Signer{signer},
		VerifierForLog: func(_ context.Context, origin string) (note.Verifier, bool, error) {
			return verifier, origin == verifier.Name(), nil
		},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", witness.NewHTTPHandler(w).AddCheckpoint)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	return http.Serve(listener, mux)
}

func reply(q question) (answer, error) {
	switch q.Kind {
	case "update":
		return update(q)
	case "cosigned":
		return cosigned(q)
	}
	return answer{}, errors.New("unknown kind")
}

func update(q question) (answer, error) {
	target, err := url.Parse(q.Url)
	if err != nil {
		return answer{}, err
	}
	hashes := [][]byte{}
	for _, text := range q.Proof {
		hash, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return answer{}, err
		}
		hashes = append(hashes, hash)
	}
	lines, size, err := client.NewWitness(target, http.DefaultClient).Update(context.Background(), q.Old, []byte(q.Checkpoint), hashes)
	return answer{Lines: string(lines), Size: size}, err
}

// cosigned opens a proof file as its receiver does: the checkpoint must be signed by the log and by the witness.
func cosigned(q question) (answer, error) {
	var p proof.TLogProof
	if err := p.Unmarshal([]byte(q.ProofFile)); err != nil {
		return answer{}, err
	}
	logVerifier, err := note.NewVerifier(q.LogKey)
	if err != nil {
		return answer{}, err
	}
	witnessVerifier, err := f_note.NewVerifierForCosignatureV1(q.WitnessKey)
	if err != nil {
		return answer{}, err
	}
	head, _, n, err := f_log.ParseCheckpoint(p.Checkpoint, logVerifier.Name(), logVerifier, witnessVerifier)
	if err != nil {
		return answer{}, err
	}
	if len(n.Sigs) != 2 {
		return answer{}, fmt.Errorf("%d signatures of known keys", len(n.Sigs))
	}
	at, err := f_note.CoSigV1Timestamp(n.Sigs[1])
	if err != nil {
		return answer{}, err
	}
	entry, err := base64.StdEncoding.DecodeString(q.Entry)
	if err != nil {
		return answer{}, err
	}
	path := make([][]byte, len(p.Hashes))
	for i := range p.Hashes {
		path[i] = p.Hashes[i][:]
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(entry)
	err = m_proof.VerifyInclusion(rfc6962.DefaultHasher, p.Index, head.Size, leaf, path, head.Hash)
	return answer{Size: head.Size, Time: at.Unix()}, err
}
