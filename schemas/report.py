"""Annual, sustainability, technical and similar reports."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field, WithJsonSchema

from schemas.fields import PRICE_SCALE

ReportedFigure = Annotated[
    Decimal, WithJsonSchema({"type": "number", "format": "decimal", "x-pagemill-scale": PRICE_SCALE})
]


class KeyFigure(BaseModel):
    """One number that the report gives."""

    name: str | None = Field(None, description="What is measured")
    value: ReportedFigure | None = Field(None, description="The number as printed, without its unit")
    unit: str | None = Field(None, description="Unit or scale of the number, as printed (EUR million, %, t CO2e)")
    period: str | None = Field(None, description="Period or date the number is for, as printed")


class ReportSection(BaseModel):
    """One chapter or section."""

    heading: str | None = Field(None, description="Heading, as printed")
    summary: str | None = Field(
        None, description="One or two sentences on what it says", json_schema_extra={"x-evidence": "none"}
    )


class Report(BaseModel):
    """A report: its title, who publishes it, for which period, its key figures and what it concludes."""

    title: str = Field(description="Title of the report")
    organisation: str | None = Field(None, description="Who publishes the report")
    period: str | None = Field(None, description="Period the report covers, as printed")
    key_figures: list[KeyFigure] = Field(default_factory=list, description="The key figures, in printed order")
    sections: list[ReportSection] = Field(default_factory=list, description="The sections, in printed order")
    conclusions: list[str] = Field(
        default_factory=list, description="What the report concludes", json_schema_extra={"x-evidence": "none"}
    )
