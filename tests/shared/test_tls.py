"""TLS where a URL asks for it: a Redis or PostgreSQL whose certificate can't be verified gets no password."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import redis
from kombu.exceptions import OperationalError
from sqlalchemy import create_engine

from shared.settings import Settings
from shared.streams import connect
from tests.servers import make_settings
from workers.app import app


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1, signed by nobody but itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", file, "-out", file),
        ],
        check=True,
        capture_output=True,
    )
    if file.read_text().count("BEGIN") < 2:
        pytest.skip("this openssl writes one part a file only")
    return file


@contextmanager
def tls_in_front(certificate: Path, unix_socket: str) -> Iterator[tuple[int, list[bytes]]]:
    """A port that speaks TLS and hands on to a unix socket; and what came in through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def hand_on(source: socket.socket, target: socket.socket, *, note: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if note:
                    heard.append(data)
                target.sendall(data)

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError):
                secured = context.wrap_socket(plain, server_side=True)
                behind = socket.socket(socket.AF_UNIX)
                behind.connect(unix_socket)
                for pair, note in (((secured, behind), True), ((behind, secured), False)):
                    threading.Thread(target=hand_on, args=pair, kwargs={"note": note}, daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], heard
    finally:
        listener.close()


def with_redis(url: str, tmp_path: Path) -> Settings:
    return make_settings(tmp_path).model_copy(update={"redis_url": url})


def test_a_redis_with_a_known_certificate_is_spoken_to_over_tls_by_clients_and_workers(
    certificate: Path, redis_server: str, tmp_path: Path
) -> None:
    with tls_in_front(certificate, redis_server.removeprefix("unix://")) as (port, heard):
        settings = with_redis(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}", tmp_path)
        with closing(connect(settings)) as client:
            assert client.ping()
        with app.connection_for_read(settings.broker_url) as broker:
            broker.ensure_connection(max_retries=1)
            broker.default_channel.client.ping()
        assert heard


def test_a_redis_with_an_unknown_certificate_hears_nothing_from_either(
    certificate: Path, redis_server: str, tmp_path: Path
) -> None:
    with tls_in_front(certificate, redis_server.removeprefix("unix://")) as (port, heard):
        settings = with_redis(f"rediss://:secret@127.0.0.1:{port}/0", tmp_path)
        with closing(connect(settings)) as client, pytest.raises(redis.ConnectionError, match="certificate"):
            client.ping()
        with (
            app.connection_for_read(settings.broker_url) as broker,
            pytest.raises(OperationalError, match="certificate"),
        ):
            broker.default_channel.client.ping()
        assert heard == []


def test_what_a_url_says_of_certificates_is_left_as_it_is(tmp_path: Path) -> None:
    for url in ("rediss://h:1/0?ssl_cert_reqs=none", "redis://h:1/0"):
        assert with_redis(url, tmp_path).broker_url == url
    assert with_redis("rediss://h:1/0?db=1", tmp_path).broker_url == "rediss://h:1/0?db=1&ssl_cert_reqs=required"


def test_sslmode_reaches_the_driver_of_postgresql(tmp_path: Path) -> None:
    url = "postgresql://user@host/name?sslmode=verify-full&sslrootcert=/ca.pem"
    settings = make_settings(tmp_path).model_copy(update={"database_url": url})
    _, given = create_engine(settings.sql_url).dialect.create_connect_args(create_engine(settings.sql_url).url)
    assert (given["sslmode"], given["sslrootcert"]) == ("verify-full", "/ca.pem")
