"""docker-compose.yml beside the stack on one machine: the same parts, versions, ports, settings and configuration."""

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from ruamel.yaml import YAML

from market.sections import Ports
from market.settings import ROOT, Settings, load
from stack import container, flink, grafana, jars, kafka, parts, postgres_cluster, prometheus, releases
from stack.conductor import SAVEPOINT_SECONDS
from stack.errors import StackError
from stack.flink_memory import megabytes
from stack.java import Java
from stack.passwords import ROLES
from stack.state import State
from tests.deploy.composed import PROFILES, Service, image, of_ours, services

HERE = services("simulated")
ENV = re.compile(r"PRICEBRAID_(?P<name>.+)")
DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()


def settings_of(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Return the settings that the process of a container of ours reads."""
    config = tmp_path / "pricebraid.toml"
    config.write_text('market = "simulated"\n')
    for name, value in service["environment"].items():
        assert name.startswith("PRICEBRAID_")
        monkeypatch.setenv(name, str(config) if name == "PRICEBRAID_CONFIG" else value)
    return load()


def test_every_part_of_the_stack_is_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "find", lambda: Java(Path("/java"), 21, "test"))
    for profile in PROFILES:
        settings = load(market=profile, state_dir=tmp_path)
        made = {part.name.removesuffix("-1") for part in parts.all_parts(settings, State.for_settings(settings))}
        assert made <= services(profile).keys()
        assert ("market" in made) == ("market" in services(profile))


def test_the_versions_are_those_of_the_stack() -> None:
    assert image(HERE["kafka"])[1] == next(
        jar.coordinate.split(":")[2] for jar in jars.locked() if ":kafka_2.13:" in jar.coordinate
    )
    for name, prefix in (("grafana", ""), ("prometheus", "v")):
        assert image(HERE[name])[1] == prefix + releases.pinned(name, "linux-x86_64").version
    program = postgres_cluster.packed_installation() / "bin" / "postgres"
    packed = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    assert image(HERE["postgres"])[1] == packed.split()[2]
    assert f"FROM flink:{version('apache-flink')}-java21 AS flink\n" in DOCKERFILE
    assert {found[1] for found in re.finditer(r"python:?(3\.\d+)", DOCKERFILE)} <= {"3.11", "3.12"}


def test_the_images_take_what_is_pinned_and_are_not_run_by_root() -> None:
    stages = DOCKERFILE.split("\nFROM ")[1:]
    assert len(stages) == 2
    for stage in stages:
        assert re.search(r"pip install .*--require-hashes --requirement requirements\.lock", stage)
        assert re.findall(r"^USER (.+)$", stage, re.M)[-1] == "9999:9999"
        assert 'ENTRYPOINT ["python", "-m", "stack.container"]' in stage
    assert "python -m stack.jars --group flink" in stages[1]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_setting_is_one_and_every_host_a_service(
    profile: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, service in of_ours(services(profile)).items():
        with monkeypatch.context() as patch:
            settings = settings_of(service, patch, tmp_path)
            assert settings.market == {f"settings-{profile}": profile, "settings": "auto"}.get(name, "simulated")
            assert {*settings.hosts.model_dump().values(), settings.postgres.host} <= HERE.keys()
            assert settings.listen == "0.0.0.0"
            assert settings.ports == Ports()


def test_a_service_is_reached_by_the_name_that_the_others_know(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = settings_of(HERE["ingest"], monkeypatch, tmp_path)
    assert settings.hosts.model_dump() == {name: name for name in type(settings.hosts).model_fields}
    assert settings.postgres.host == "postgres"


@pytest.mark.parametrize("name", [name for name, service in HERE.items() if "ports" in service])
def test_a_port_of_this_machine_is_the_one_of_the_stack(name: str) -> None:
    port = getattr(Ports(), {"jobmanager": "flink"}.get(name, name))
    assert HERE[name]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_the_ports_that_are_asked_are_those_of_the_stack() -> None:
    known = {"jobmanager": "flink", "127.0.0.1": None}
    ports = Ports()
    for name, service in HERE.items():
        for word in service.get("healthcheck", {}).get("test", []):
            if word.startswith("http"):
                url = urlsplit(word)
                setting = known.get(url.hostname or "") or {"jobmanager": "flink"}.get(name, name)
                assert url.port == getattr(ports, setting)
    assert f"/{ports.kafka}" in HERE["kafka"]["healthcheck"]["test"][-1]
    assert f"--port={ports.postgres}" in HERE["postgres"]["healthcheck"]["test"]


def test_prometheus_asks_each_part_at_its_own_host() -> None:
    asked = {
        path.stem: json.loads(path.read_text()) for path in (ROOT / "deploy" / "docker" / "targets").glob("*.json")
    }
    assert asked == {
        job: [
            {"targets": [f"{name.removesuffix('-1')}:{port}"], "labels": {"instance": name}}
            for name, port in found.items()
        ]
        for job, found in prometheus.targets(load()).items()
    }


def test_prometheus_keeps_metrics_for_as_long() -> None:
    kept = load().prometheus
    assert f"--storage.tsdb.retention.time={kept.keep_days}d" in HERE["prometheus"]["command"]
    assert f"--storage.tsdb.retention.size={kept.keep_megabytes}MB" in HERE["prometheus"]["command"]
    assert f"--web.listen-address=:{load().ports.prometheus}" in HERE["prometheus"]["command"]
    mounted = "./deploy/prometheus/prometheus.yml:/etc/prometheus/prometheus.yml:ro"
    assert mounted in HERE["prometheus"]["volumes"]
    assert (ROOT / "deploy" / "prometheus" / "prometheus.yml") == prometheus.CONFIGURATION


def test_flink_shows_its_metrics_to_the_prometheus_that_is_there(image_settings: Settings) -> None:
    # On the platform of the image there is a release, so it counts on one.
    assert of_ours(HERE)["jobmanager"]["platform"] == "linux/amd64"
    assert releases.pinned("prometheus", "linux-x86_64").version
    assert image_settings.prometheus.enabled


def test_grafana_asks_as_the_reader() -> None:
    told, settings = HERE["grafana"]["environment"], load()
    assert told["GRAFANA_POSTGRES_URL"] == f"postgres:{settings.ports.postgres}"
    assert told["GRAFANA_POSTGRES_DATABASE"] == settings.postgres.database
    assert told["GRAFANA_POSTGRES_USER"] == ROLES["reader"]
    assert told["GRAFANA_PROMETHEUS_URL"] == f"http://prometheus:{settings.ports.prometheus}"
    assert told["GF_SERVER_HTTP_PORT"] == str(settings.ports.grafana)
    state = State.for_settings(load(market="simulated"))
    needed = {name for name in grafana.environment(settings, state) if name.startswith("GRAFANA_")}
    assert {name for name in told if name.startswith("GRAFANA_")} == needed
    assert told["GRAFANA_POSTGRES_PASSWORD"] == "PRICEBRAID_POSTGRES__READER_PASSWORD"


def test_every_service_of_ours_has_a_role_that_there_is() -> None:
    helped = subprocess.run(
        [sys.executable, "-m", "stack.container", "--help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    roles = re.search(r"\{([a-z,]+)\}", helped)
    assert roles is not None
    used = {service["command"][0] for profile in PROFILES for service in of_ours(services(profile)).values()}
    assert used == set(roles[1].split(","))


def test_the_tools_are_what_the_keeper_is_and_start_nothing() -> None:
    tools, keeper = services("tools")["tools"], HERE["keeper"]
    same = ("image", "pull_policy", "environment", "env_file", "volumes")
    assert {name: tools[name] for name in same} == {name: keeper[name] for name in same}
    assert "depends_on" not in tools
    # Flink's own programs are in its image, and taken from there.
    assert "PRICEBRAID_FLINK__HOME=/opt/flink" in DOCKERFILE.partition(" AS flink\n")[2]
    helped = subprocess.run(
        [sys.executable, *tools["entrypoint"][1:], "--help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert "docker compose run --rm tools" in helped
    for name in ("psql", "sql", "verify", "backfill"):
        assert f"  {name} " in helped


def test_no_service_gets_a_password_that_it_does_not_need() -> None:
    needs = {
        "migrations": {"SUPERUSER", "OWNER", "WRITER", "READER"},
        "keeper": {"OWNER", "WRITER", "READER"},
        "jobs": {"WRITER"},
        "repair": {"WRITER"},
    }
    for name, service in of_ours(HERE).items():
        given = {key.split("__")[1].removesuffix("_PASSWORD") for key in service["environment"] if "PASSWORD" in key}
        assert given == needs.get(name, set())


def test_the_limits_leave_room_for_what_the_settings_give() -> None:
    settings = load()

    def limit(name: str) -> int:
        return megabytes(HERE[name]["deploy"]["resources"]["limits"]["memory"])

    assert limit("jobmanager") > megabytes(settings.flink.jobmanager_memory)
    assert limit("taskmanager") > megabytes(settings.flink.taskmanager_memory)
    heap = next(option for option in kafka.java_options(Path("/x")) if option.startswith("-Xmx"))
    assert limit("kafka") > megabytes(heap.removeprefix("-Xmx")) + 256


def test_what_stops_slowly_is_given_the_time() -> None:
    def grace(name: str) -> float:
        return float(HERE[name]["stop_grace_period"].removesuffix("s"))

    assert grace("keeper") > SAVEPOINT_SECONDS
    assert grace("ingest") > load().ingest.flush_seconds


def test_the_mounts_are_where_the_parts_look(tmp_path: Path) -> None:
    assert "settings:/etc/pricebraid:ro" in HERE["ingest"]["volumes"]
    assert Path("/etc/pricebraid") == container.CONFIGURATION
    assert f"kafka:{container.KAFKA_DATA}" in HERE["kafka"]["volumes"]
    for name in ("jobmanager", "taskmanager", "jobs", "keeper"):
        assert "state:/var/lib/pricebraid" in HERE[name]["volumes"]
    assert DOCKERFILE.count("PRICEBRAID_STATE_DIR=/var/lib/pricebraid\n") == 2


def test_postgres_makes_its_cluster_as_the_stack_does() -> None:
    told = HERE["postgres"]["environment"]
    assert told["POSTGRES_INITDB_ARGS"].split() == list(postgres_cluster.INITDB_OPTIONS)


@pytest.fixture
def image_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """The settings of Flink's containers, but for the folders of the image."""
    with monkeypatch.context() as patch:
        return settings_of(HERE["jobmanager"], patch, tmp_path).model_copy(update={"state_dir": tmp_path})


def test_kafka_and_postgres_differ_only_in_where_they_listen(image_settings: Settings, tmp_path: Path) -> None:
    made = {}
    for name, settings in (("here", load(market="simulated")), ("there", image_settings)):
        container.write_configuration(settings, tmp_path / name)
        texts = [
            (tmp_path / name / path).read_text() for path in ("kafka/server.properties", "postgres/postgresql.conf")
        ]
        made[name] = {line for text in texts for line in text.splitlines()}
    assert {line.split("=")[0].strip() for line in made["here"] ^ made["there"]} == {
        "listeners",
        "advertised.listeners",
        "listen_addresses",
    }
    assert "advertised.listeners=BROKER://kafka:29092" in made["there"]
    assert "listen_addresses = '0.0.0.0'" in made["there"]
    assert f"log.dirs={container.KAFKA_DATA}" in made["there"]


def test_volumes_of_one_market_are_not_given_to_another(tmp_path: Path) -> None:
    container.write_configuration(load(market="simulated"), tmp_path)
    first = (tmp_path / "kafka" / "cluster.id").read_text()
    container.write_configuration(load(market="simulated"), tmp_path)
    assert (tmp_path / "kafka" / "cluster.id").read_text() == first
    for other in (load(market="live"), load(market="simulated", simulation={"seed": 2})):
        with pytest.raises(StackError, match="hold the market simulated"):
            container.write_configuration(other, tmp_path)


def test_the_others_are_told_that_the_market_was_refused(tmp_path: Path) -> None:
    def settled() -> None:
        container.run("settled", load(), folder=tmp_path)

    with pytest.raises(StackError, match="COMPOSE_PROFILES"):
        settled()
    container.run("settings", load(market="simulated"), folder=tmp_path)
    settled()
    with pytest.raises(StackError, match="hold the market"):
        container.run("settings", load(market="live"), folder=tmp_path)
    with pytest.raises(StackError, match="logs settings-live"):
        settled()
    container.run("settings", load(market="simulated"), folder=tmp_path)
    settled()


def test_flink_differs_only_in_hosts(image_settings: Settings, tmp_path: Path) -> None:
    java = Java(Path("/java"), 21, "test")
    read = {}
    for name, settings in (("here", load(market="simulated", state_dir=tmp_path)), ("there", image_settings)):
        state = State.for_settings(settings)
        for part in (flink.jobmanager_part(settings, state, java), flink.taskmanager_part(1, settings, state, java)):
            part.prepare()
            read[name, part.name] = YAML(typ="safe").load(Path(part.env["FLINK_CONF_DIR"]) / "config.yaml")
    for part_name in ("jobmanager", "taskmanager-1"):
        here, there = read["here", part_name], read["there", part_name]
        assert here.keys() == there.keys()
        assert {key for key in here if here[key] != there[key]} - {"taskmanager.resource-id"} == {
            *("jobmanager.rpc.address", "jobmanager.bind-host", "rest.address", "rest.bind-address"),
            *("taskmanager.host", "taskmanager.bind-host"),
        }


def test_flinks_image_is_its_own_home(image_settings: Settings, tmp_path: Path) -> None:
    home = tmp_path / "opt"
    (home / "lib").mkdir(parents=True)
    for name in ("flink-dist-2.2.1.jar", "postgresql.jar", "flink-table.jar"):
        (home / "lib" / name).touch()
    settings = image_settings.model_copy(update={"flink": image_settings.flink.model_copy(update={"home": str(home)})})
    state = State.for_settings(settings)
    part = flink.taskmanager_part(1, settings, state, Java(Path("/java"), 21, "test"))
    part.prepare()
    assert part.env["FLINK_HOME"] == str(home)
    found = part.command[part.command.index("-classpath") + 1].split(":")
    assert [Path(jar).name for jar in found] == ["flink-table.jar", "postgresql.jar", "flink-dist-2.2.1.jar"]
    assert not state.flink_home.exists()
    assert "PRICEBRAID_FLINK__HOME=/opt/flink" in DOCKERFILE


def test_what_is_built_into_the_images_is_all_that_they_run(tmp_path: Path) -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    listed = subprocess.run(["git", "ls-files", *allowed], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for module in ("stack.container", "stack.tools", "ingest.repair", "stack.jars", "verify", "flink_jobs.serve"):
        subprocess.run(
            [sys.executable, "-P", "-c", f"import {module}"],
            cwd="/",
            env={"PYTHONPATH": str(tmp_path), "PATH": ""},
            check=True,
        )
    jobs = subprocess.run(
        [sys.executable, "-m", "flink_jobs", "list"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        check=True,
        capture_output=True,
    )
    assert {job["name"] for job in json.loads(jobs.stdout)} >= {"candles", "rollups"}
