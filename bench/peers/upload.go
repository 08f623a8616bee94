// upload URL PATH COUNT AT-ONCE [CA]
// SPDX-License-Identifier: MIT
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"sync"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func upload(client *http.Client, url, path string) {
	file, err := os.Open(path)
	check(err)
	defer file.Close()
	about, err := file.Stat()
	check(err)

	// What stands before and after the file is rendered first, so that the length is known.
	var text strings.Builder
	form := multipart.NewWriter(&text)
	head := textproto.MIMEHeader{}
	head.Set("Content-Disposition", `form-data; name="file"; filename="clip.mp4"`)
	head.Set("Content-Type", "video/mp4")
	_, err = form.CreatePart(head)
	check(err)
	before := text.String()
	check(form.Close())
	after := text.String()[len(before):]

	body := io.MultiReader(strings.NewReader(before), file, strings.NewReader(after))
	request, err := http.NewRequest("POST", url+"/public/v1/media", body)
	check(err)
	request.ContentLength = int64(len(before)) + about.Size() + int64(len(after))
	request.Header.Set("Authorization", "Bearer k")
	request.Header.Set("Content-Type", form.FormDataContentType())
	answer, err := client.Do(request)
	check(err)
	defer answer.Body.Close()
	if answer.StatusCode != 201 {
		check(fmt.Errorf("status %d", answer.StatusCode))
	}
	var media map[string]any
	check(json.NewDecoder(answer.Body).Decode(&media))
	_, err = io.Copy(io.Discard, answer.Body)
	check(err)
}

func main() {
	url, path := os.Args[1], os.Args[2]
	count, err := strconv.Atoi(os.Args[3])
	check(err)
	atOnce, err := strconv.Atoi(os.Args[4])
	check(err)
	transport := &http.Transport{MaxIdleConnsPerHost: atOnce, WriteBufferSize: 256 * 1024}
	if len(os.Args) > 5 {
		pem, err := os.ReadFile(os.Args[5])
		check(err)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	client := &http.Client{Transport: transport}

	var group sync.WaitGroup
	for i := 0; i < atOnce; i++ {
		share := (count + i) / atOnce // of all, they add up to count
		group.Add(1)
		go func() {
			defer group.Done()
			for j := 0; j < share; j++ {
				upload(client, url, path)
			}
		}()
	}
	group.Wait()
}
