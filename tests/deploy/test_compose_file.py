"""docker-compose.yml by itself: it follows the specification, starts in order, and opens nothing to the world."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from market.settings import ROOT
from tests.deploy.composed import PROFILES, Service, filled, image, of_ours, required, services, written

SCHEMA = Path(__file__).parent / "compose_spec" / "schema.json"

EVERYTHING = [(profile, name) for profile in (*PROFILES, "tools") for name in services(profile)]


def lasting(service: Service) -> bool:
    """Tell whether a service runs on; the others do one thing and end."""
    return bool(service["restart"] != "no")


def test_the_file_follows_the_compose_specification() -> None:
    schema = json.loads(SCHEMA.read_text())
    content = filled(written(), dict.fromkeys(required(), "x"))
    jsonschema.Draft202012Validator(schema).validate(content)


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [("services", "kafka", {"image": 1}), ("services", "kafka", {"restarts": "no"}), ("volumes", "kafka", 3)],
)
def test_what_is_not_in_the_specification_would_be_noticed(section: str, name: str, value: Any) -> None:
    content = written()
    content[section][name] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(content)


@pytest.mark.parametrize("profile", PROFILES)
def test_docker_compose_itself_takes_the_file(profile: str, tmp_path: Path) -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], check=False, capture_output=True).returncode
    ):
        pytest.skip("there is no `docker compose` on this machine")
    variables = tmp_path / "env"
    variables.write_text("".join(f"{name}=x\n" for name in required()))
    command = ["docker", "compose", "--env-file", str(variables), "--profile", profile, "config", "--services"]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert set(told.split()) == set(services(profile))


def test_the_simulated_market_is_all_that_a_profile_adds() -> None:
    live, simulated = (set(services(profile)) for profile in PROFILES)
    assert live - simulated == {"settings-live"}
    assert simulated - live == {"settings-simulated", "market"}


@pytest.mark.parametrize(("profile", "name"), EVERYTHING)
def test_everything_waits_for_what_can_be_waited_for(profile: str, name: str) -> None:
    there = services(profile)
    for needed, how in there[name].get("depends_on", {}).items():
        if needed not in there:
            assert how["required"] is False, "only what a profile leaves out may be missing"
            continue
        wanted = "service_healthy" if lasting(there[needed]) else "service_completed_successfully"
        assert how["condition"] == wanted


def needs(there: dict[str, Service], name: str) -> set[str]:
    """Return all services that one waits for."""
    direct = there[name].get("depends_on", {}).keys() & there.keys()
    return set(direct).union(*(needs(there, other) for other in direct))


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_starts_before_the_market_is_settled(profile: str) -> None:
    there = services(profile)
    first = f"settings-{profile}"
    assert {name for name in there if first not in needs(there, name)} == {first, "prometheus"}


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_starts_where_the_market_is_refused(profile: str) -> None:
    # Of what need not be there, docker compose only warns that it failed; `settings` alone must be there, and looks.
    there = services(profile)
    for name, service in there.items():
        for needed, how in service.get("depends_on", {}).items():
            assert how.get("required", True) or name == "settings" or needed == "market"
    alone = {"settings", f"settings-{profile}", "prometheus"}
    assert {name for name in there if "settings" not in needs(there, name)} == alone


@pytest.mark.parametrize("profile", PROFILES)
def test_each_image_of_ours_is_built_by_one_service_that_the_others_wait_for(profile: str) -> None:
    # Where two build one name at the same time, one of them fails: the image exists already.
    there = services(profile)
    builders = [name for name, service in there.items() if "build" in service]
    assert len({there[name]["image"] for name in builders}) == len(builders)
    for name, service in of_ours(there).items():
        (builder,) = (other for other in builders if there[other]["image"] == service["image"])
        assert service["pull_policy"] == ("build" if name == builder else "never")
        assert name == builder or builder in needs(there, name) or name in needs(there, builder)


@pytest.mark.parametrize(("profile", "name"), EVERYTHING)
def test_every_service_is_watched_bounded_and_started_again(profile: str, name: str) -> None:
    service = services(profile)[name]
    assert service["restart"] in ("no", "unless-stopped")
    assert ("healthcheck" in service) == lasting(service)
    assert service["deploy"]["resources"]["limits"].keys() == {"memory", "pids"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert "network_mode" not in service


@pytest.mark.parametrize(("profile", "name"), EVERYTHING)
def test_every_image_is_pinned(profile: str, name: str) -> None:
    _, tag = image(services(profile)[name])
    assert any(letter.isdigit() for letter in tag)
    assert tag.count(".") >= 1


@pytest.mark.parametrize(("profile", "name"), EVERYTHING)
def test_nothing_is_open_beyond_this_machine(profile: str, name: str) -> None:
    for port in services(profile)[name].get("ports", []):
        assert port.startswith("127.0.0.1:")


def test_every_volume_is_declared_and_used() -> None:
    used = {
        mount.partition(":")[0]
        for profile in PROFILES
        for service in services(profile).values()
        for mount in service.get("volumes", [])
        if not mount.startswith(".")
    }
    assert used == set(written()["volumes"])


def test_what_comes_of_this_folder_is_there_and_only_read() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    tracked = listed.stdout.splitlines()
    for service in services("simulated").values():
        for mount in service.get("volumes", []):
            source, _, rest = mount.partition(":")
            if source.startswith("."):
                path = source.removeprefix("./")
                assert any(name == path or name.startswith(f"{path}/") for name in tracked), source
                assert rest.endswith(":ro")


def test_passwords_come_from_the_environment_alone(tmp_path: Path) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for line in text.splitlines():
        if "PASSWORD" in line and not line.lstrip().startswith("#"):
            assert ":?run deploy/docker/make-env first}" in line or line.rstrip("}").endswith("-password")
    environment = {name: value for name, value in os.environ.items() if name not in required()}
    with pytest.raises(KeyError):
        filled(written(), environment)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what makes `.env`, where there is none."""
    (tmp_path / "deploy" / "docker").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "docker" / "make-env", tmp_path / "deploy" / "docker")
    return tmp_path


def make_env(project: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([project / "deploy" / "docker" / "make-env"], capture_output=True, text=True, check=False)


def read_env(project: Path) -> dict[str, str]:
    lines = (project / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_passwords_are_made_once_for_this_user_only(project: Path) -> None:
    assert make_env(project).returncode == 0
    made = read_env(project)
    assert made.pop("COMPOSE_PROFILES") == "live"
    assert made.keys() == required()
    assert len(set(made.values())) == len(made)
    assert all(len(word) == 48 and word.isalnum() for word in made.values())
    assert (project / ".env").stat().st_mode & 0o777 == 0o600
    again = make_env(project)
    assert again.returncode == 1
    assert "there already" in again.stderr
    assert {**read_env(project)} == {**made, "COMPOSE_PROFILES": "live"}


def test_the_passwords_are_not_committed_nor_built_into_an_image() -> None:
    for name in (".env", "pricebraid.env"):
        assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 0
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()
