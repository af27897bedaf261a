"""Invoices and credit notes."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from schemas.checks import KEYWORD
from schemas.fields import GROUP_KEYWORD, MONEY_SCALE, PRICE_SCALE

Money = Annotated[Decimal, WithJsonSchema({"type": "number", "format": "decimal", "x-pagemill-scale": MONEY_SCALE})]
Price = Annotated[Decimal, WithJsonSchema({"type": "number", "format": "decimal", "x-pagemill-scale": PRICE_SCALE})]


class Party(BaseModel):
    """One side of the trade."""

    name: str | None = Field(None, description="Name of the company or person")
    address: str | None = Field(None, description="Street, postal code, city and country, on one line")
    tax_id: str | None = Field(None, description="VAT or tax number, as printed")


class LineItem(BaseModel):
    """One charged position."""

    description: str | None = Field(None, description="What was delivered or done")
    quantity: Price | None = Field(None, description="Number of units")
    unit: str | None = Field(None, description="Unit of the quantity, as printed (pcs, h, kg)")
    unit_price: Price | None = Field(None, description="Price of one unit without tax")
    amount: Money | None = Field(None, description="Total of the line without tax")
    tax_rate: Price | None = Field(None, description="Tax rate in per cent")


class Invoice(BaseModel):
    """An invoice or credit note: who charges whom how much for what."""

    model_config = ConfigDict(
        json_schema_extra={
            KEYWORD: [
                {"name": "net", "check": "sum(line_items.amount) - allowances? + charges? = net_total"},
                {"name": "gross", "check": "net_total + tax_total = gross_total"},
                {"name": "dates", "check": "due_date >= issue_date"},
            ],
            GROUP_KEYWORD: "seller.name",
        }
    )

    number: str = Field(description="Invoice number")
    issue_date: date = Field(description="Date of issue")
    due_date: date | None = Field(None, description="Date by which payment is due")
    seller: Party | None = Field(None, description="Who issues the invoice")
    buyer: Party | None = Field(None, description="Who is billed")
    currency: str | None = Field(None, description="ISO 4217 code of the currency")
    net_total: Money | None = Field(None, description="Total without tax, after allowances and charges")
    tax_total: Money | None = Field(None, description="Total tax")
    gross_total: Money = Field(description="Total with tax")
    allowances: Money | None = Field(None, description="Sum of discounts on the whole invoice, positive")
    charges: Money | None = Field(None, description="Sum of surcharges on the whole invoice, such as freight")
    iban: str | None = Field(None, description="IBAN of the account to pay to")
    line_items: list[LineItem] = Field(default_factory=list, description="The charged positions, in printed order")
