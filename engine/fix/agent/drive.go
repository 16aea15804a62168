package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// maxRead is how much of one line that the coder prints is looked at, in bytes.
const maxRead = 1 << 20

// drive runs a command of the coder's to its end and hands what it prints to out
// and said, line by line, each from one goroutine. However much it prints,
// only a line is held. Then it ends all that the command left behind. exit is
// the status, -1 if a signal ended it; err says that it did not start, or that it
// could not be ended.
func (c *coder) drive(ctx context.Context, cmd *exec.Cmd, out, said func(line []byte)) (exit int, err error) {
	var readers sync.WaitGroup
	var ends []*os.File // that this process reads
	pipe := func(each func([]byte)) (*os.File, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("make pipe: %w", err)
		}
		ends = append(ends, r)
		readers.Go(func() { eachLine(r, each) })
		return w, nil
	}
	stdout, err := pipe(out)
	if err != nil {
		return -1, err
	}
	stderr, err := pipe(said)
	if err != nil {
		stdout.Close()
		readers.Wait()
		return -1, errors.Join(err, ends[0].Close())
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err = cmd.Start()
	stdout.Close()
	stderr.Close()
	if err == nil {
		err = cmd.Wait()
		if swept := c.sweep(context.WithoutCancel(ctx)); swept != nil {
			err = errors.Join(err, swept)
		}
	}
	// Nobody can write any more. Where processes cannot be found, somebody may:
	// then the pipes are given up.
	give := time.AfterFunc(5*time.Second, func() {
		for _, r := range ends {
			_ = r.SetReadDeadline(time.Now())
		}
	})
	readers.Wait()
	give.Stop()
	for _, r := range ends {
		r.Close()
	}
	var ended *exec.ExitError
	switch {
	case cmd.ProcessState == nil:
		return -1, fmt.Errorf("start %s: %w", cmd.Path, err)
	case err == nil, errors.As(err, &ended), ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return cmd.ProcessState.ExitCode(), nil
	}
	return cmd.ProcessState.ExitCode(), err
}

// eachLine calls each with every line of r, without its end, until there is no
// more. Of a line that is longer than maxRead, the rest is passed over.
func eachLine(r io.Reader, each func(line []byte)) {
	in := bufio.NewReaderSize(r, 64<<10)
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part[:min(len(part), maxRead-len(line))]...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		if err == nil || len(line) > 0 {
			each(line)
		}
		if err != nil {
			return
		}
		line = line[:0]
	}
}
