"""The key with which an installation signs its results: a P-256 key with a certificate of its own authority.

    signing/key.pem     the private key, readable by its owner only (0600)
    signing/chain.pem   its certificate and the authority's certificate
    signing/ca.pem      the authority's certificate alone: give it to those who should trust these results

The authority's key is used once and never stored, so that nobody can issue another certificate. The
certificates name no person.
"""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from faceswap.errors import SigningKeyUnusable

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

KEY, CHAIN, ANCHOR = "key.pem", "chain.pem", "ca.pem"
_PEM_BEGIN = "-----BEGIN CERTIFICATE"
_VALID_FOR = timedelta(days=20 * 365)
_EARLY = timedelta(days=1)
"""How long before now a certificate becomes valid, because clocks differ."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Three PEM texts: the private key, its certificate followed by the authority's certificate, and the
    authority's certificate alone."""

    key: str = field(repr=False)
    chain: str
    anchor: str

    @classmethod
    def load(cls, folder: Path, key: str = "", chain: str = "") -> SigningKey:
        """Return the key that was given, else the folder's key. Makes that key when there is no folder.

        Raises: SigningKeyUnusable.
        """
        if key or chain:
            return cls._checked(_lines(key), _lines(chain))
        try:
            if not folder.exists():
                _make(folder)
            return cls._checked((folder / KEY).read_text("utf-8"), (folder / CHAIN).read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise SigningKeyUnusable(reason=type(error).__name__) from error

    @staticmethod
    def anchor_of(folder: Path, chain: str = "") -> str:
        """The authority's certificate as PEM, or "" when there is none yet. Creates nothing."""
        if chain:
            begin = chain.rfind(_PEM_BEGIN)
            return _lines(chain[begin:]) if begin >= 0 else ""
        try:
            return (folder / ANCHOR).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    @classmethod
    def _checked(cls, key: str, chain: str) -> SigningKey:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

        try:
            private = load_pem_private_key(key.encode(), None)
            certificates = x509.load_pem_x509_certificates(chain.encode())
        except (ValueError, TypeError) as error:
            raise SigningKeyUnusable(reason="it is not PEM, or needs a password") from error
        if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
            raise SigningKeyUnusable(reason="it is not a P-256 key")
        if certificates[0].public_key() != private.public_key():
            raise SigningKeyUnusable(reason="the first certificate is not that of the key")
        if certificates[0].not_valid_after_utc < datetime.now(UTC):
            raise SigningKeyUnusable(reason="its certificate has expired")
        return cls(key, chain, certificates[-1].public_bytes(Encoding.PEM).decode())


def _lines(pem: str) -> str:
    """Replace each `\\n` of a PEM text by a line break. An environment variable may hold no line breaks."""
    return pem.replace("\\n", "\n").strip() + "\n"


def _make(folder: Path) -> None:
    """Create the folder with all its files in one step. If two processes do this, the first folder stays."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = f"faceswap {secrets.token_hex(4)}"
    anchor = _certificate(f"{name} authority", f"{name} authority", authority, authority)
    leaf = _certificate(name, f"{name} authority", own, authority)
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    anchor_pem, leaf_pem = (each.public_bytes(Encoding.PEM) for each in (anchor, leaf))
    draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft.mkdir(mode=0o700)
    for file, content in ((KEY, key), (CHAIN, leaf_pem + anchor_pem), (ANCHOR, anchor_pem)):
        with open(os.open(draft / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:  # noqa: PTH123
            out.write(content)
    try:
        draft.rename(folder)
    except OSError:
        shutil.rmtree(draft)
        if not folder.is_dir():
            raise


def _certificate(
    subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """Make a certificate with the fields that C2PA requires. Source: C2PA 2.2, section 14.5.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(common: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "faceswap"),
                x509.NameAttribute(NameOID.COMMON_NAME, common),
            ]
        )

    is_authority, now = key is signer, datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.BasicConstraints(is_authority, 0 if is_authority else None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not is_authority:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        ).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    return builder.sign(signer, hashes.SHA256())
