// Answers each line of its input with what a clock says, on two threads. "exit N" ends it.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func main() {
	// The others run on other threads then.
	runtime.LockOSThread()
	begun := time.Now()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if code, found := strings.CutPrefix(lines.Text(), "exit "); found {
			number, _ := strconv.Atoi(code)
			os.Exit(number)
		}
		other := make(chan int64)
		go func() { other <- time.Now().UnixNano() }()
		fmt.Printf("wall=%d thread=%d mono=%d\n", time.Now().UnixNano(), <-other, time.Since(begun).Nanoseconds())
	}
}
