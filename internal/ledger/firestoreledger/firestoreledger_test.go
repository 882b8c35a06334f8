package firestoreledger_test

import (
	"context"
	"crypto/rand"
	"testing"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"gamefill/internal/ledger"
	"gamefill/internal/ledger/firestoreledger"
	"gamefill/internal/ledger/ledgertest"
	"gamefill/test/emulator"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newLedger is a ledger of its own in the emulator; with options, over a connection that has them.
func newLedger(t *testing.T, dial ...grpc.DialOption) *firestoreledger.Ledger {
	t.Helper()
	address := emulator.Firestore(t)
	o := firestoreledger.Options{Project: "gamefill-test", Prefix: rand.Text() + "_"}
	if len(dial) > 0 {
		conn, err := grpc.NewClient(address, append(dial, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		must(t, err)
		o.Client = []option.ClientOption{option.WithGRPCConn(conn)}
	}
	l, err := firestoreledger.New(t.Context(), o)
	must(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// watched is a ledger of its own in the emulator; see gets each request before it is sent, and may be called
// concurrently.
func watched(t *testing.T, see func(method string, request any)) *firestoreledger.Ledger {
	t.Helper()
	return newLedger(t,
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
			invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
			see(method, req)
			return invoke(ctx, method, req, reply, cc, o...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string,
			open grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
			s, err := open(ctx, d, cc, method, o...)
			return watchedStream{s, func(request any) { see(method, request) }}, err
		}))
}

// watchedStream shows what is sent on a stream.
type watchedStream struct {
	grpc.ClientStream
	see func(request any)
}

func (s watchedStream) SendMsg(request any) error {
	s.see(request)
	return s.ClientStream.SendMsg(request)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func(t *testing.T) (ledger.Ledger, ledgertest.Caps) { return newLedger(t), ledgertest.Caps{} })
}
