"""All lines of the examination."""

from rise_bench.doctor.abilities import ability_lines
from rise_bench.doctor.line import Line
from rise_bench.doctor.machine import machine_lines
from rise_bench.doctor.packages import package_lines
from rise_bench.doctor.places import data_lines, hub_lines
from rise_bench.models.devices import torch_install


def examine() -> list[Line]:
    """Look at this machine; takes the import of torch, and up to three seconds if the Hub does not answer."""
    torch = torch_install()
    return [*machine_lines(torch), *package_lines(), *data_lines(), *hub_lines(), *ability_lines(torch)]
