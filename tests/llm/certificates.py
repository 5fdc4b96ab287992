"""Certificates for servers on loopback, made with openssl when a test needs them."""

import shutil
import ssl
import subprocess
from pathlib import Path

from tests.needs import needs


def make_certificate(folder: Path, names: str = "DNS:localhost,IP:127.0.0.1") -> Path:
    """Return a file with a new key and its certificate for `names`."""
    openssl = needs(shutil.which("openssl"), "openssl makes the certificates, and is not installed")
    key, certificate, file = folder / "key.pem", folder / "certificate.pem", folder / "server.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-addext", f"subjectAltName={names}"], check=True, capture_output=True, timeout=60)
    file.write_bytes(key.read_bytes() + certificate.read_bytes())
    return file


def server_context(file: Path) -> ssl.SSLContext:
    """Return the TLS of a server with the certificate in `file`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
