package ledger_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"gamefill/internal/ledger"
)

func TestPackReference(t *testing.T) {
	t.Parallel()
	random := make([]byte, 2_000_000) // does not become smaller: three chunks
	source := rand.NewChaCha8([32]byte{})
	_, _ = source.Read(random)
	for name, tt := range map[string]struct {
		content []byte
		chunks  int
	}{"nothing": {nil, 1}, "small": {[]byte("one"), 1}, "large": {random, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chunks, err := ledger.PackReference(tt.content)
			if err != nil || len(chunks) != tt.chunks {
				t.Fatalf("got %d chunks, %v, want %d", len(chunks), err, tt.chunks)
			}
			for i, c := range chunks {
				if len(c) > 900_000 {
					t.Errorf("chunk %d: got %d bytes, want at most 900000", i, len(c))
				}
			}
			content, err := ledger.UnpackReference(chunks)
			if err != nil || !bytes.Equal(content, tt.content) {
				t.Errorf("got %d bytes, %v, want the %d that were packed", len(content), err, len(tt.content))
			}
			if _, err := ledger.UnpackReference(chunks[:len(chunks)-1]); err == nil {
				t.Error("without the last chunk: got no error, want one")
			}
		})
	}
}
