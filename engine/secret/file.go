package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFile bounds what is read of a key file: a few keys and line ends.
const maxFile = 4 << 10

// LoadOrMake reads the master keys from the file, or makes one and writes it
// there if there is no file. The folder must exist. A file that others may read
// is closed to them.
//
// The file appears whole or not at all, and only one of two processes that make
// it at once wins; the other reads the winner's.
func LoadOrMake(path string) ([]Key, error) {
	keys, err := load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if err := CreateFile(path, makeKey(path).text()+"\n"); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make key file: %w", err)
	}
	return load(path)
}

func load(path string) ([]Key, error) {
	text, err := ReadFile(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	keys, err := ParseKeys(path, strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("read key file %s: %w", path, err)
	}
	return keys, nil
}

// ReadFile reads a file with secrets, of at most so many bytes; fs.ErrNotExist if there
// is none. One that others may read is closed to them.
func ReadFile(path string, most int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil {
			return nil, fmt.Errorf("others may read it and it cannot be closed to them (chmod 600 %s): %w", path, err)
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(text) > most {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return text, nil
}

// CreateFile writes text to a new file at path that only its owner may read, and is
// durable when it returns; fs.ErrExist if path is taken. It writes beside and
// links: a crash in between leaves no half a text under the name.
func CreateFile(path, text string) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // O_EXCL, 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
