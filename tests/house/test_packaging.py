"""Every pin is exact, and every variable that settings read is written down."""

import re
from typing import Any

import pytest
import yaml

from dust import settings
from tests import servers
from tests.house import source

PIN = re.compile(r"[a-z0-9-]+==[a-z0-9.]+")
NAME = re.compile(r"[\w-]+")
LISTED = re.compile(r"^#?([A-Z_]+)=", re.MULTILINE)

PINS = [
    line
    for line in (source.ROOT / "constraints.txt").read_text().splitlines()
    if not line.startswith("#")
]


def _required() -> set[str]:
    project = source.PROJECT["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    names = {match[0] for line in lines if (match := NAME.match(line))}
    return names - {"dust"}


class TestConstraints:
    @pytest.mark.parametrize("pin", PINS)
    def test_are_a_name_and_a_version(self, pin: str) -> None:
        assert PIN.fullmatch(pin)

    def test_pin_everything_asked_for(self) -> None:
        assert _required() - {pin.partition("==")[0] for pin in PINS} == set()


class TestEnvironment:
    def test_is_written_down(self) -> None:
        read = set(settings.env.dump())
        listed = LISTED.findall((source.ROOT / ".env.example").read_text())

        assert sorted(listed) == sorted(read)

    def test_is_fixed_for_tests(self) -> None:
        read = set(settings.env.dump())

        assert {*servers.environment(), "DATABASE_URL", "REDIS_URL"} == read


class TestDeployment:
    def test_sends_every_package_to_the_image(self) -> None:
        sent = (source.ROOT / ".dockerignore").read_text().splitlines()

        assert {f"!{package}" for package in source.PACKAGES} <= set(sent)

    def test_passes_on_every_setting_but_those_for_other_places(self) -> None:
        compose: dict[str, Any] = yaml.safe_load((source.ROOT / "docker-compose.yml").read_text())
        of_a_laptop = {"ANONYMOUS_INGEST", "DEBUG", "DUST_DATA_DIR", "HTTPS_ONLY", "LOCAL_ISSUER"}

        passed_on = compose["services"]["web"]["environment"].keys()

        assert passed_on | of_a_laptop == settings.env.dump().keys()
