"""The words and numbers of the field study."""

from decimal import Decimal

ABSTRACT = (
    "Heat pumps are often said to be unfit for houses built before 1979. In forty such houses, all of them rented, the old boilers were replaced and measured over two winters. "
    "The seasonal performance factor reached 3.3 on average, and tenants paid about a quarter less for heat. Replacing one radiator in five was enough in most houses."
)
KEY_FIGURES = tuple(
    (name, Decimal(value), unit, period)
    for name, value, unit, period in (
        ("Buildings measured", "40", "houses", "2023-2025"),
        ("Flats", "486", "flats", "2023-2025"),
        ("Heated area", "31250", "m2", "2023-2025"),
        ("Performance factor", "3.1", "ratio", "2023/24"),
        ("Performance factor", "3.3", "ratio", "2024/25"),
        ("Flow temperature", "47.5", "°C", "2024/25"),
        ("Electricity used", "52.4", "kWh/m2", "2024/25"),
        ("Emissions saved", "61", "%", "2024/25"),
        ("Cost of conversion", "214", "EUR/m2", "2024"),
        ("Room complaints", "23", "cases", "2024/25"),
    )
)
SECTIONS = (
    (
        "1 Background",
        "Two thirds of all flats in the region lie in houses built before the first thermal insulation rules.",
        "Their owners have put off the change of heating for years. The reasons they gave us were always the same three: that the flow temperature would be too high, that there was no room for the machine, and that the tenants would complain. Each of these is a statement that can be measured, and so far hardly anybody had done so in houses with more than two flats.",
        "Single-family houses have been studied well. In apartment houses the questions are different: hot water for many, pipes that nobody has drawn, radiators that were chosen by the plumber of 1962, and a boiler room that is also the bicycle cellar. Results from one kind of house do not carry over to the other.",
        "This study therefore took houses as they are. No house was insulated for the study, and none was left out since it seemed too difficult.",
    ),
    (
        "2 Method",
        "Forty houses of four housing companies were chosen by lot from a list of 312.",
        "All were built between 1904 and 1978 and have between four and thirty-six flats. In each the boiler was replaced by one or two air-source heat pumps. In twenty-four houses a gas boiler was kept for the coldest days; it supplied seven per cent of the heat.",
        "Heat and electricity were metered every minute. Room temperatures were logged in three flats of each house with the consent of the tenants, who could switch the logger off. Weather data come from the nearest of five stations, none more than eleven kilometres away.",
        "Before the first winter every radiator was measured and its output at 50 °C calculated. Where it fell short of the heat load of its room by more than a fifth, it was replaced. That was the case for 19 per cent of all radiators, most of them in bathrooms and in corner rooms on the top floor.",
        "The first winter served to find faults. We report it all the same, since every owner will live through a first winter.",
    ),
    (
        "3 Key figures",
        "The table gives the main results; winters run from October to April.",
        "Figures are means weighted by heated area. The performance factor is the heat delivered, divided by all electricity used, including pumps and the heating rod.",
    ),
    (
        "4 Efficiency",
        "The performance factor rose from 3.1 in the first winter to 3.3 in the second.",
        "Most of the gain came from corrections that cost nothing: heating curves that had been set too steep, a circulation pump that ran at night, hot water kept at 65 °C where 58 °C would do. In six houses the return pipes had been swapped and nobody had noticed for decades.",
        "Houses in which radiators had been replaced did better by half a point throughout. The age of the building made no difference that we could find; the state of its windows did.",
        "The heating rod ran for 41 hours on average, almost all of it in one week of January.",
    ),
    (
        "5 Cost and comfort",
        "Heating became cheaper in every size of house, and complaints became rarer.",
        "In the second winter the housing companies received 23 complaints about cold rooms, compared with 61 in the last winter with the old boilers. Half of them concerned a single house, where air had been trapped in a riser.",
        "Conversion cost EUR 214 per square metre of heated area, of which public grants paid a third. The machines themselves account for less than half; the rest is electricians, foundations, noise screens and the removal of oil tanks.",
        "Noise was measured at the nearest window at night. It stayed below 35 dB(A) in all but two houses, and there a screen was added.",
    ),
    (
        "6 Hot water",
        "Hot water takes a third of all heat in summer and winter together, and it sets the highest temperature in the house.",
        "In twenty-two houses the circulation was kept at 60 °C, as the rules for large systems demand. In the other eighteen each flat was given a small station that heats water when it is drawn. These houses need no store, and their heat pumps work at the temperature of the radiators all year round.",
        "Stations cost EUR 1,450 a flat, fitting included. They saved about a tenth of the electricity, so that they pay for themselves within some fourteen years, sooner in houses where the riser had to be renewed in any case.",
        "Tenants were asked twice whether they had enough hot water. In the first winter 31 of 268 who answered said no; in the second, 9 of 274. The nine live in three houses whose stores had been chosen too small, and in one where a mixing valve had failed.",
        "Samples for legionella were drawn in every house in each half-year. All were below the threshold at which action is called for.",
    ),
    (
        "7 Work with the tenants",
        "A change of heating in an inhabited house is a matter of manners as much as of machines.",
        "Each company told its tenants of the work six weeks ahead and named a person with a telephone number. Where radiators were replaced, one day in each flat was enough. Eleven tenants refused entry at first, and all but two were persuaded by a neighbour rather than by a letter.",
        "After the first winter each household received a sheet with its own use of heat beside the mean of the house. Use fell by four per cent in the following winter in houses that sent the sheet early in autumn, and did not change in those that sent it at Christmas.",
        "Rents were raised by between 31 and 78 cents per square metre and month. In all but five houses the saving on heat was larger than the rise.",
    ),
    (
        "8 Limits of the study",
        "Forty houses of one region are not the whole country.",
        "Winters were mild: the lowest hourly mean was minus 11 °C. The four companies took part by their own choice and have staff of their own for heating, which small owners have not. Prices of electricity and gas are those of the two winters and will change.",
        "We did not measure how tenants aired their rooms. Three of the loggers were lost, two of them to a house move and one to a dog.",
    ),
    (
        "9 Conclusions",
        "Old apartment houses can be heated well with heat pumps, provided that somebody looks after them in the first winter.",
    ),
)
CONCLUSIONS = (
    "A flow temperature below 50 °C suffices when the weakest fifth of the radiators is replaced.",
    "Monitoring in the first winter brings more than any other single measure.",
    "A second heat source for the coldest days lowers the cost of conversion without spoiling the balance.",
    "Grants should pay for measurement and adjustment, and not for machines alone.",
)
