package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// registryHosts are the names under which the suite looks for images.
var registryHosts = []string{"ghcr.io", "registry.k8s.io"}

// ServeHTTP answers the pull half of the OCI distribution protocol.
func (c *content) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	if path == "" || path == "/v2" {
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "this registry is read-only", http.StatusMethodNotAllowed)
		return
	}
	ref := ""
	if name, tag, ok := cutLast(path, "/manifests/"); ok {
		if ref = tag; !strings.HasPrefix(ref, "sha256:") {
			ref = c.tags[name+":"+tag]
		}
	} else if _, blob, ok := cutLast(path, "/blobs/"); ok {
		ref = blob
	}
	body, ok := c.blobs[ref]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", c.types[ref])
	w.Header().Set("Docker-Content-Digest", ref)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// serve answers https on 127.0.0.1:443 for registryHosts, with a certificate
// made for this run, until the process ends. It writes that certificate, which
// clients must trust, to certFile.
func (c *content) serve(certFile string) error {
	cert, err := newCertificate(registryHosts)
	if err != nil {
		return err
	}
	pemCert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	if err := os.WriteFile(certFile, pemCert, 0o644); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:443")
	if err != nil {
		return fmt.Errorf("cannot listen for the registry: %w", err)
	}
	srv := &http.Server{
		Handler:           c,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{cert}},
		ReadHeaderTimeout: time.Minute,
	}
	go func() {
		if err := srv.ServeTLS(l, "", ""); err != nil {
			fmt.Fprintln(os.Stderr, "conformance: registry:", err)
		}
	}()
	return nil
}

// newCertificate makes a self-signed certificate that is its own authority.
// Its key never leaves this process.
func newCertificate(hosts []string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	tmpl := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: hosts[0]},
		DNSNames:              hosts,
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot make the registry's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
