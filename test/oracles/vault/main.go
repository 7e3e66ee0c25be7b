// Vault's own transit engine and AppRole method behind HTTP on loopback, for tests. What is not here is Vault's core: policies,
// seals, audit. Tokens are the root's and those that AppRole gave. It ends when its standard input does. Built for tests only:
// Vault since 1.15 is under the Business Source License 1.1, and nothing of it is in this repository or in the package.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/sdk/logical"
)

const bodyBytesMax = 1 << 20

type mount struct {
	path    string
	backend logical.Backend
	storage logical.Storage
}

type server struct {
	mounts []mount
	mutex  sync.Mutex
	tokens map[string]bool
}

func open(path string, factory logical.Factory) mount {
	config := logical.TestBackendConfig()
	config.Logger = hclog.NewNullLogger()
	config.StorageView = &logical.InmemStorage{}
	backend, err := factory(context.Background(), config)
	check(err)
	return mount{path, backend, config.StorageView}
}

// ask does what Vault's router does: an update of what does not exist yet is a creation.
func (m mount) ask(ctx context.Context, operation logical.Operation, path string, data map[string]any) (*logical.Request, *logical.Response, error) {
	request := &logical.Request{Operation: operation, Path: path, MountPoint: m.path, Data: data, Storage: m.storage}
	if operation == logical.UpdateOperation {
		if found, exists, err := m.backend.HandleExistenceCheck(ctx, request); err != nil {
			return request, nil, err
		} else if found && !exists {
			request.Operation = logical.CreateOperation
		}
	}
	response, err := m.backend.HandleRequest(ctx, request)
	return request, response, err
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	isLogin := path == "auth/approle/login"
	if !isLogin && !s.isToken(r.Header.Get("X-Vault-Token")) {
		logical.RespondError(w, http.StatusForbidden, errors.Join(logical.ErrPermissionDenied, logical.ErrInvalidToken))
		return
	}
	operation := logical.Operation(logical.ReadOperation)
	data := map[string]any{}
	if r.Method != http.MethodGet {
		operation = logical.UpdateOperation
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyBytesMax)).Decode(&data); err != nil {
			logical.RespondError(w, http.StatusBadRequest, errors.New("error parsing JSON"))
			return
		}
	}
	for _, m := range s.mounts {
		if inner, ok := strings.CutPrefix(path, m.path); ok {
			request, response, err := m.ask(r.Context(), operation, inner, data)
			s.reply(w, request, response, err)
			return
		}
	}
	logical.RespondError(w, http.StatusNotFound, fmt.Errorf("no handler for route %q. route entry not found.", path))
}

func (s *server) reply(w http.ResponseWriter, request *logical.Request, response *logical.Response, err error) {
	if status, fault := logical.RespondErrorCommon(request, response, err); status != 0 {
		logical.RespondError(w, status, fault)
		return
	}
	if response == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if response.Auth != nil {
		response.Auth.ClientToken = s.addToken()
	}
	w.Header().Set("Content-Type", "application/json")
	check(json.NewEncoder(w).Encode(logical.LogicalResponseToHTTPResponse(response)))
}

func (s *server) isToken(token string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.tokens[token]
}

func (s *server) addToken() string {
	bytes := make([]byte, 16)
	_, err := rand.Read(bytes)
	check(err)
	token := "hvs." + hex.EncodeToString(bytes)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.tokens[token] = true
	return token
}

// A role, and what a program that logs in as it needs.
func addRole(m mount) (roleID, secretID any) {
	ctx := context.Background()
	for _, step := range []struct {
		operation logical.Operation
		path      string
		data      map[string]any
	}{
		{logical.UpdateOperation, "role/sealer", map[string]any{"token_ttl": "1h", "token_policies": "model-sealer"}},
		{logical.ReadOperation, "role/sealer/role-id", nil},
		{logical.UpdateOperation, "role/sealer/secret-id", map[string]any{}},
	} {
		_, response, err := m.ask(ctx, step.operation, step.path, step.data)
		check(err)
		if response != nil && response.IsError() {
			check(response.Error())
		}
		if response != nil && response.Data["role_id"] != nil {
			roleID = response.Data["role_id"]
		}
		if response != nil && response.Data["secret_id"] != nil {
			secretID = response.Data["secret_id"]
		}
	}
	return roleID, secretID
}

func main() {
	role := open("auth/approle/", approle.Factory)
	s := &server{mounts: []mount{open("transit/", transit.Factory), role}, tokens: map[string]bool{}}
	roleID, secretID := addRole(role)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	told := map[string]any{"url": "http://" + listener.Addr().String(), "token": s.addToken(), "role_id": roleID, "secret_id": secretID}
	check(json.NewEncoder(os.Stdout).Encode(told))
	go func() { check(http.Serve(listener, s)) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
