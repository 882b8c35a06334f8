package ledger

import (
	"bytes"
	"compress/gzip"
	"io"
	"slices"
)

// maxChunk bounds one stored piece of a reference snapshot, in bytes: a Firestore document ends at 1 MiB, its other
// fields included. It is the same on every adapter, so that a ledger can be copied from one to another.
const maxChunk = 900_000

// PackReference compresses a reference snapshot and cuts the stream into chunks for storage. For adapters.
func PackReference(content []byte) ([][]byte, error) {
	var stream bytes.Buffer
	z := gzip.NewWriter(&stream)
	if _, err := z.Write(content); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return slices.Collect(slices.Chunk(stream.Bytes(), maxChunk)), nil
}

// UnpackReference undoes [PackReference]. The stream's checksum finds a lost or damaged chunk. For adapters.
func UnpackReference(chunks [][]byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(bytes.Join(chunks, nil)))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
