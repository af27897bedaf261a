"""The charts and pictures of the annual report."""

from io import BytesIO

from reportlab.platypus import Flowable, Image

from painters import pictures
from painters.charts import Bars, Chart, Lines, Stack

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
YEARS = ("2021", "2022", "2023", "2024", "2025")


def figure_of(name: str) -> Flowable:
    charts: dict[str, Chart] = {
        "cargo": Stack(
            YEARS,
            (
                ("Dry bulk", (3.1, 3.2, 2.9, 3.0, 3.3)),
                ("Containers", (2.2, 2.4, 2.3, 2.6, 2.9)),
                ("Ro-ro", (1.1, 1.3, 1.6, 1.7, 2.0)),
            ),
            "million tonnes",
            2,
        ),
        "calls": Bars(
            MONTHS,
            (
                ("2024", (128, 121, 139, 144, 156, 160, 163, 158, 151, 147, 133, 126)),
                ("2025", (131, 126, 148, 153, 164, 172, 175, 169, 160, 155, 142, 135)),
            ),
            "vessel calls",
            50,
        ),
        "emissions": Lines(
            YEARS,
            (
                ("Trust vessels and cranes", (21.4, 20.1, 18.6, 16.3, 13.9)),
                ("Ships at berth", (17.8, 18.0, 16.9, 14.8, 11.2)),
            ),
            "thousand t CO2e",
            5,
        ),
        "income": Bars(
            ("Harbour dues", "Cargo dues", "Rents", "Pilotage", "Other"),
            (("2024", (21.6, 24.9, 14.2, 9.8, 3.6)), ("2025", (23.1, 27.8, 15.0, 10.6, 3.9))),
            "GBP million",
            10,
        ),
    }
    if name in charts:
        return charts[name]
    data, ratio = {"map": (pictures.harbour_map, 800 / 1200), "containers": (pictures.containers, 560 / 1000)}[name]
    return Image(BytesIO(data()), 460, 460 * ratio)
