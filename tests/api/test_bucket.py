"""Bytes of files in a bucket: bounded, found again, and refused clearly while the store is away."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from chatkeep.chat.people import COMMAND_LINE, LOCAL_USER
from chatkeep.cli.file_checks import check_bucket, examine_files
from chatkeep.db import Transaction
from chatkeep.errors import CannotStart, NotFound
from chatkeep.files.bucket import Bucket, BucketFailed
from chatkeep.runs import people
from chatkeep.runs.bucket_bytes import PIECE_BYTES
from chatkeep.runs.file_moving import move_to_bucket, move_to_database
from chatkeep.runs.file_sweeping import sweep_files
from chatkeep.runs.files import read_all
from chatkeep.settings import Settings
from chatkeep.settings.bucket_url import parse_bucket_url
from chatkeep.store.files import FileKey, begin_file
from tests.api.shapes import UNKNOWN, problem
from tests.api.test_files import bring, count_rows
from tests.s3 import KEY, SECRET, Store, bucket_at, file_settings, list_names, serving_s3
from tests.samples import picture
from tests.script import Script, say, stop
from tests.service import Service, serving, settings

pytestmark = pytest.mark.anyio

BYTES = bytes(range(256)) * 10_000
"""Three pieces."""


@pytest.fixture
def file_place(s3: Store) -> dict[str, Any]:
    return file_settings(s3.new_url())


async def findings(service: Service, used: Settings | None = None) -> list[str]:
    found = examine_files(service.runtime.db, used or service.runtime.settings)
    return [f"{each.state} {each.text}" async for each in found]


async def test_names_of_objects_tell_nothing(service: Service) -> None:
    file = await bring(service, BYTES, "secret.bin")
    names = await list_names(service.runtime.settings.files_url)
    assert sorted(names) == [f"{file['id']}/{number:06d}" for number in range(3)]


async def test_equal_bytes_of_two_owners_are_two_objects(service: Service) -> None:
    await bring(service, BYTES)

    async def give_away(tx: Transaction) -> None:
        await tx.run("UPDATE files SET owner = 'another owner'")

    await service.runtime.db.transaction(give_away)
    await bring(service, BYTES)
    assert len(await list_names(service.runtime.settings.files_url)) == 6


async def test_joined_users_keep_their_objects(service: Service) -> None:
    file = await bring(service, BYTES)

    async def add_user(tx: Transaction) -> None:
        await tx.run(
            "INSERT INTO users (id, issuer, subject, role, created_at, seen_at) VALUES ('b', 'i', 'b', 'user', $1, $1)",
            await tx.now(),
        )

    await service.runtime.db.transaction(add_user)
    await people.join_users(service.runtime.db, LOCAL_USER, "b", actor=COMMAND_LINE)
    assert await read_all(service.runtime, FileKey("b", file["id"])) == BYTES


async def test_what_is_in_the_database_is_read_from_there(
    database: str, script: Script, file_place: dict[str, Any]
) -> None:
    async with serving(settings(database), script) as service:
        file = await bring(service, BYTES)
    async with serving(settings(database, **file_place), script) as service:
        assert (await service.client.get(f"/api/files/{file['id']}/content")).content == BYTES
        db, bucket = service.runtime.db, bucket_at(service.runtime.settings.files_url)
        assert [each.key.file_id async for each in move_to_bucket(db, bucket)] == [file["id"]]
        assert [each async for each in move_to_bucket(db, bucket)] == []
        assert (await count_rows(service))["pieces"] == 3
        assert (await service.client.get(f"/api/files/{file['id']}/content")).content == BYTES
        assert await findings(service) == ["ok 1 files have all their bytes"]
        assert [each.key.file_id async for each in move_to_database(db, bucket)] == [file["id"]]
        assert await list_names(service.runtime.settings.files_url) == []
        assert await findings(service) == ["ok 1 files have all their bytes"]
    async with serving(settings(database), script) as service:
        assert (await service.client.get(f"/api/files/{file['id']}/content")).content == BYTES


async def test_a_file_that_is_still_coming_is_not_swept(
    database: str, script: Script, file_place: dict[str, Any]
) -> None:
    """Each piece gives it its time again; what was swept takes no more pieces."""
    async with serving(settings(database, files_grace=3600, **file_place), script) as service:
        key, file_bytes, db = (
            FileKey(LOCAL_USER, "01890a5d-ac96-774b-bcce-b302099a8057"),
            service.runtime.file_bytes,
            service.runtime.db,
        )
        await file_bytes.add(key, 0, b"x" * PIECE_BYTES)

        async def age(tx: Transaction) -> None:
            await tx.run("UPDATE files SET unused_since = $1", "2026-01-01T00:00:00.000000Z")

        await db.transaction(age)
        await file_bytes.add(key, 1, b"x")
        await sweep_files(service.runtime)
        assert (await count_rows(service))["pieces"] == 2
        await db.transaction(age)
        await sweep_files(service.runtime)
        with pytest.raises(NotFound):
            await file_bytes.add(key, 2, b"x")
        assert await count_rows(service) == {"files": 0, "pieces": 0, "message_files": 0}


async def test_doctor_finds_what_the_bucket_lacks_and_has_too_much(service: Service) -> None:
    whole, broken, lost = [await bring(service, BYTES + bytes([each])) for each in range(3)]
    bucket = bucket_at(service.runtime.settings.files_url)
    await service.runtime.db.transaction(lambda tx: begin_file(tx, FileKey(LOCAL_USER, UNKNOWN)))
    assert await findings(service) == ["ok 4 files have all their bytes"]
    await bucket.put(f"{broken['id']}/000001", b"short")
    await bucket.delete_folder(lost["id"])
    await bucket.put("nothing/000000", b"x")
    size = len(BYTES) + 1
    assert await findings(service) == [
        f"FAILED file {broken['id']} has {size - PIECE_BYTES + 5} of its {size} bytes",
        f"FAILED file {lost['id']} has 0 of its {size} bytes",
        f"warning {bucket.name}: objects of 1 files without a row: nothing",
    ]
    used = service.runtime.settings.model_copy(update={"files_url": None})
    assert f"FAILED file {whole['id']} has 0 of its {size} bytes: CHATKEEP_FILES_URL is unset" in await findings(
        service, used
    )
    problem(await service.client.get(f"/api/files/{lost['id']}/content"), 404, "not_found")


async def test_a_store_that_is_away_is_waited_for(database: str, script: Script, tmp_path: Path) -> None:
    with serving_s3(tmp_path / "s3") as store:
        url = store.new_url()
        port = int(store.endpoint.rpartition(":")[2])
        async with serving(settings(database, **file_settings(url)), script) as service:
            file, photo = await bring(service, BYTES), await bring(service, picture())
            store.process.kill()
            store.process.wait()
            for answer in (
                await service.client.post("/api/files", content=b"more"),
                await service.client.get(f"/api/files/{file['id']}/content"),
            ):
                problem(answer, 503, "files_unavailable")
                assert answer.headers["retry-after"] == "5"
            assert (await service.client.delete(f"/api/files/{file['id']}")).status_code == 204
            session_id = await service.session()
            content = [{"type": "file", "file_id": photo["id"]}]
            answer = await service.client.post(f"/api/sessions/{session_id}/messages", json={"content": content})
            problem(answer, 503, "files_unavailable")
            assert (await service.client.get(f"/api/sessions/{session_id}/messages")).json()["data"] == []
            with serving_s3(tmp_path / "s3", port):
                script.play([say("A photo."), stop()])
                assert (await service.send(session_id, content))["run"]["status"] == "completed"
                async with asyncio.timeout(60):
                    while (await count_rows(service))["pieces"] > 1:
                        await sweep_files(service.runtime)


@pytest.mark.parametrize(
    ("changes", "why"),
    [({}, ""), ({"bucket": "nothing"}, "NoSuchBucket"), ({"endpoint": "http://127.0.0.1:1"}, "error sending request")],
)
async def test_check_tries_the_bucket(s3: Store, changes: dict[str, str], why: str) -> None:
    used = file_settings(s3.new_url())
    used["files_url"] = used["files_url"]._replace(**changes)
    (found,) = [each async for each in check_bucket(settings("sqlite:///none.db", **used))]
    assert (found.state, why in found.text) == ("FAILED" if why else "ok", True), found
    if not why:
        assert await list_names(used["files_url"]) == []


async def test_a_wrong_key_is_said_to_be_one(s3: Store) -> None:
    for key, secret, why in (
        (KEY, "wrong", "SignatureDoesNotMatch"),
        ("wrong", SECRET, "AccessDenied|InvalidAccessKeyId"),
    ):
        bucket = Bucket(parse_bucket_url(s3.new_url()), key, secret)
        with pytest.raises(BucketFailed, match=why):
            await bucket.put("x/0", b"x")


def test_a_variable_of_amazon_s_that_is_wrong_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REQUEST_PAYER", "perhaps")
    with pytest.raises(CannotStart, match=r"cannot use the bucket s3://files/: .*perhaps"):
        Bucket(parse_bucket_url("s3://files"), KEY, SECRET)


async def test_large_uploads_hold_a_piece_at_a_time(service: Service) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(20):
            yield b"\xff" * 1_000_000

    answer = await service.client.post("/api/files", content=pieces())
    assert (answer.status_code, answer.json()["bytes"]) == (201, 20_000_000)
    names = await list_names(service.runtime.settings.files_url)
    assert len(names) == -(-20_000_000 // PIECE_BYTES)
