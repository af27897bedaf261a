"""The words and numbers of the annual report."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Chapter:
    heading: str
    lead: str
    before: tuple[str, ...]
    figure: str | None = None
    caption: str = ""
    subheading: str = ""
    after: tuple[str, ...] = ()


def _figure(name: str, unit: str, now: str, before: str) -> tuple[str, str, Decimal, Decimal]:
    return name, unit, Decimal(now), Decimal(before)


KEY_FIGURES = (
    _figure("Cargo handled", "million tonnes", "8.2", "7.3"),
    _figure("Vessel calls", "calls", "1830", "1726"),
    _figure("Ferry passengers", "thousand", "642", "598"),
    _figure("Revenue", "GBP million", "80.4", "74.1"),
    _figure("Operating surplus", "GBP million", "12.6", "10.9"),
    _figure("Capital investment", "GBP million", "19.3", "15.7"),
    _figure("Employees", "people", "417", "402"),
    _figure("Greenhouse gas emissions", "thousand t CO2e", "25.1", "31.1"),
)
CHAPTERS = (
    Chapter(
        "Foreword by the chair",
        "A harbour trust earns its keep twice: once for those who sail, and once for the town behind the quay.",
        (
            "When the trust was founded, the harbour board measured its success by a single figure, the number of masts that could be counted from the harbour office on the first Sunday in May. We have more instruments today, and the pages that follow make use of all of them. Yet the old question has not changed: is the harbour busier, safer and better kept than the year before?",
            "For 2025 the answer is yes on all three counts. More cargo passed over our quays than in any year since the grain pier was rebuilt. Nobody was seriously hurt at work. And the largest programme of repairs in a generation has reached its half-way mark within its budget, which those who know old masonry will recognise as the least likely of the three.",
            "None of this came of itself. The winter storms closed the approach for eleven days, the dredger was late, and two of our longest-standing tenants changed hands. That the year nevertheless closed well is owed to the people of the harbour: pilots, linesmen, crane drivers, engineers, and the small office that sends out the bills and answers the telephone at three in the morning.",
            "I should like to thank them, and to thank my predecessor, Margaret Oduya, who handed over a trust in good order and has been generous with advice since, most of it right.",
        ),
        subheading="Looking to the centenary",
        after=(
            "In 2028 the trust will be a hundred years old. The board has decided to mark the date not with a monument but with a finished job: by then every berth will have shore power, and the last of the coal-era sheds will have made way for a public promenade along the eastern mole.",
        ),
    ),
    Chapter(
        "Cargo",
        "Cargo grew in all three trades, and ro-ro traffic passed two million tonnes for the first time.",
        (
            "Dry bulk recovered after a poor harvest in the year before. Grain exports began two weeks early and lasted into November, helped by the second conveyor, which halves the time a ship lies at the pier. Aggregates for the coastal defence works made up most of the remainder.",
            "Containers grew for the third year in a row. Two feeder services now call twice a week, and the yard was re-laid in spring to stack four high in place of three.",
        ),
        "cargo",
        "Cargo handled by trade, 2021 to 2025",
        "Trade by trade",
        (
            "Ro-ro traffic is the trade that has changed most. When the service opened, most lorries came from within sixty miles; today half of them come from the midlands, since the road along the coast has been widened. The terminal will need a third linkspan before the end of the decade, and its design has begun.",
        ),
    ),
    Chapter(
        "Vessel traffic",
        "Calls rose in every month of the year, with the strongest growth in summer.",
        (
            "The approach channel was open on 354 days. Eleven days were lost to storms in January and November. Average waiting time at anchor fell to 2.3 hours, since pilots are now ordered through the same system that assigns the berths.",
        ),
        "calls",
        "Vessel calls by month, 2024 and 2025",
        "Pilotage and safety",
        (
            "The pilots carried out 3,412 acts of pilotage. One grounding occurred, of a coaster that left the channel in fog; it was refloated on the next tide without damage or pollution. The inquiry led to a second light on the southern shore, which has been lit since September.",
            "Emergency exercises were held in March and October together with the lifeboat, the fire service and the coastguard.",
        ),
    ),
    Chapter(
        "The estate",
        "Four basins, eleven berths and sixty-two buildings are in the care of the trust.",
        (
            "The map shows the harbour as it stands after the works of this year. The western basin has been deepened to nine metres, and the wall between the grain pier and the ro-ro terminal has been tied back over its whole length.",
        ),
        "map",
        "The harbour and its basins",
        "Repairs and works",
        (
            "Work on the East Mole continues until 2027. Its stones are lifted, numbered and set back on a new foundation, forty metres at a time, so that the two outer berths can stay in use.",
        ),
    ),
    Chapter(
        "Container yard",
        "The yard was re-laid in eleven weeks without a single lost sailing.",
        (
            "The old surface dated from the time when the yard stored timber. It was taken up in strips and replaced by concrete with drains and reefer sockets, while ships were worked from the other half.",
        ),
        "containers",
        "Containers stacked four high on the new surface",
        "What it changed",
        (
            "A lorry now spends 38 minutes in the yard, against 55 before. The number of reefer sockets has doubled to 120. Rain water is collected and used for washing.",
            "The crane drivers took part in the layout of the lanes, and three of their five proposals were built.",
        ),
    ),
    Chapter(
        "Environment",
        "Emissions fell by a fifth, mostly because ships at berth now take power from the shore.",
        (
            "Seven of eleven berths have shore power. The two newest were connected in April and have been used by four of every five ships that can take it. The trust buys the electricity from the wind farm beyond the sound.",
            "The tugs run on a blend with a third of renewable diesel. A first electric workboat was ordered.",
        ),
        "emissions",
        "Greenhouse gas emissions, 2021 to 2025",
        "Water and wildlife",
        (
            "Water quality in the inner harbour was good in all twelve samples. The seal colony on the southern bank counted 214 animals in August. Dredged sand was used to raise the beach at Holm Point.",
        ),
    ),
    Chapter(
        "People",
        "417 people work for the trust, and none was seriously hurt.",
        (
            "Fifteen more people were employed at the end of the year than at its beginning. Nine apprentices began their training, four of them as marine engineers. The share of women among the operating staff rose to 21 per cent.",
            "Reportable accidents fell from seven to four. The commonest cause remains slips on ladders, and all quay ladders will have been renewed by the summer of 2026.",
            "The trust pays at least the rate of the living wage foundation, and asks the same of its contractors. Sick leave came to 3.1 per cent of working time.",
        ),
        subheading="The harbour and the town",
        after=(
            "The open day in June drew some nine thousand visitors. The harbour school, run with the two secondary schools of the town, taught 160 pupils to row, to splice and to read a tide table.",
            "Grants of GBP 210,000 went to the lifeboat station, the maritime museum and eleven smaller causes. The choir of the pilots' mess made a recording, of which the board will say no more than that it was for charity.",
            "A residents' forum meets each quarter. Noise from the night shift was its main concern, and the reversing alarms of the reach stackers have since been changed to a broadband sound that does not carry beyond the fence.",
        ),
    ),
    Chapter(
        "Finance",
        "Revenue passed eighty million pounds, and investment was paid for without new loans.",
        (
            "Revenue rose by 8.5 per cent. Harbour and cargo dues made up almost two thirds of it. Costs rose by 7.3 per cent, chiefly for energy, wages and dredging, and the operating surplus came to GBP 12.6 million.",
        ),
        "income",
        "Revenue by source, 2024 and 2025",
        "Investment and debt",
        (
            "The trust has no owners, and what it earns it spends on the harbour. Loans were reduced by GBP 2.4 million. Interest is fixed until 2031.",
        ),
    ),
    Chapter(
        "Conclusions",
        "What the board takes from the year, and what it will do next.",
        (
            "The year has shown that growth and a lighter footprint can go together, as long as the works are done in the right order. The board draws four conclusions.",
        ),
    ),
)
CONCLUSIONS = (
    "Shore power pays for itself sooner than planned and will reach all eleven berths by 2028.",
    "Ro-ro traffic will outgrow its two linkspans, so that a third must be ready before the end of the decade.",
    "The repair of the East Mole stays on course and within its budget of GBP 46 million.",
    "Fixed interest and falling debt leave room to carry on investing without new loans.",
)
