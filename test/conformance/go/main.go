// Command engine is a grpc-go server for the keepalive suite. Its messages are plain bytes, so that it needs no .proto.
//
//	/test.Bytes/Echo      unary: the request comes back
//	/test.Bytes/Upload    client streaming: silent until the client has ended, then one empty message
//	/test.Bytes/Download  server streaming: 3200 bytes every 100 ms, for as many milliseconds as the request says
//
// It says on standard output where it listens, and lives until it is killed.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
)

const (
	chunk = 3200
	pause = 100 * time.Millisecond
)

func main() {
	minTime := flag.Int("min-time", 0, "least ms between a client's PINGs; 0: grpc-go's default, 5 minutes")
	flag.Parse()
	options := []grpc.ServerOption{grpc.ForceServerCodec(plain{}), grpc.UnknownServiceHandler(handle)}
	if *minTime > 0 {
		policy := keepalive.EnforcementPolicy{MinTime: time.Duration(*minTime) * time.Millisecond}
		options = append(options, grpc.KeepaliveEnforcementPolicy(policy))
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	log.Fatal(grpc.NewServer(options...).Serve(listener))
}

func handle(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var message []byte
	switch method {
	case "/test.Bytes/Echo":
		if err := stream.RecvMsg(&message); err != nil {
			return err
		}
		return stream.SendMsg(&message)
	case "/test.Bytes/Upload":
		for {
			err := stream.RecvMsg(&message)
			if errors.Is(err, io.EOF) {
				return stream.SendMsg(&[]byte{})
			}
			if err != nil {
				return err
			}
		}
	case "/test.Bytes/Download":
		if err := stream.RecvMsg(&message); err != nil {
			return err
		}
		ms, err := strconv.Atoi(string(message))
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		return download(stream, time.Now().Add(time.Duration(ms)*time.Millisecond))
	}
	return status.Error(codes.Unimplemented, method)
}

func download(stream grpc.ServerStream, until time.Time) error {
	message := make([]byte, chunk)
	for time.Now().Before(until) {
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
		time.Sleep(pause)
	}
	return nil
}

// plain is a codec that leaves bytes as they are. What it returns must not change later.
type plain struct{}

func (plain) Name() string                  { return "plain" }
func (plain) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (plain) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(data)
	return nil
}
