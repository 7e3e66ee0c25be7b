// envoy-oracle FILE: reads a bootstrap configuration of Envoy as Envoy does, without Envoy: YAML into the messages of its API, no field
// that they lack, and every rule that they carry. Messages inside of Any are judged, too. Prints the types that were found.
package main

import (
	"fmt"
	"os"
	"sort"

	bootstrap "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"sigs.k8s.io/yaml"
)

type validator interface{ ValidateAll() error }

func main() {
	text, err := os.ReadFile(os.Args[1])
	exitOn(err)
	json, err := yaml.YAMLToJSONStrict(text)
	exitOn(err)
	config := &bootstrap.Bootstrap{}
	exitOn(protojson.Unmarshal(json, config))
	types := map[string]bool{}
	exitOn(judge(config, types))
	names := make([]string, 0, len(types))
	for name := range types {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Println(name)
	}
}

// judge applies the rules of a message, and of all messages that are packed below it.
func judge(message proto.Message, types map[string]bool) error {
	if rules, ok := message.(validator); ok {
		if err := rules.ValidateAll(); err != nil {
			return err
		}
	}
	return walk(message.ProtoReflect(), types)
}

func walk(message protoreflect.Message, types map[string]bool) error {
	if packed, ok := message.Interface().(*anypb.Any); ok {
		inner, err := packed.UnmarshalNew()
		if err != nil {
			return err
		}
		types[string(inner.ProtoReflect().Descriptor().FullName())] = true
		return judge(inner, types)
	}
	var failed error
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap() && field.MapValue().Message() != nil:
			value.Map().Range(func(_ protoreflect.MapKey, entry protoreflect.Value) bool {
				failed = walk(entry.Message(), types)
				return failed == nil
			})
		case field.IsList() && field.Message() != nil:
			for at := 0; at < value.List().Len() && failed == nil; at++ {
				failed = walk(value.List().Get(at).Message(), types)
			}
		case !field.IsMap() && !field.IsList() && field.Message() != nil:
			failed = walk(value.Message(), types)
		}
		return failed == nil
	})
	return failed
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
