"""Which printed labels mean what, in English, German and French, and which properties of a schema ask for it.

A concept is what a property wants. Its labels come in tiers: earlier tiers are surer and win over later ones.
Everything is compared word by word, folded, so punctuation, case and accents do not matter.
"""

import re
import unicodedata
from typing import NamedTuple

from extractors.values import fold_text

WORD = re.compile(r"[^\W_]+")


class Concept(NamedTuple):
    """How a concept's value is read (`kind`), its labels by tier, and the property names (regular expression) that ask for it."""

    kind: str
    tiers: tuple[str, ...]
    names: str


CONCEPTS: dict[str, Concept] = {
    "invoice_number": Concept(
        "code",
        (
            "invoice number|invoice no|invoice nr|invoice num|invoice id|inv no|rechnungsnummer|rechnungs nummer|rechnungs nr|rechnungsnr|rechnung nr|"
            "rechnung nummer|rechnung no|beleg nr|belegnummer|credit note no|credit note number|gutschriftsnummer|gutschrift nr|bill number|bill no|"
            "facture n|facture no|facture numero|numero de facture|n de facture|no de facture|n facture|avoir n|factuurnummer|bill id|document number|tax invoice no",
            "invoice|rechnung|facture|avoir|credit note|gutschrift",
        ),
        r"(invoice|bill|facture|rechnungs?)_?(number|no|nr|id|nummer|num)|document_number",
    ),
    "issue_date": Concept(
        "date",
        (
            "invoice date|date of invoice|date of issue|issue date|issued on|issued at|rechnungsdatum|belegdatum|ausstellungsdatum|rechnung vom|"
            "date de facture|date facture|date de facturation|date d emission|date de la facture|bill date|billing date|datum der rechnung|factuurdatum|credit note date|tax point",
            "datum|date|dated",
        ),
        r"(issue|invoice|bill|document)_?date|date_of_issue|issued(_on)?|rechnungsdatum",
    ),
    "due_date": Concept(
        "date",
        (
            "due date|payment due|due on|due by|payable by|pay by|payment due date|date due|falligkeitsdatum|fallig am|faellig am|fallig|zahlbar bis|zahlbar bis zum|"
            "zahlungsziel|zahlung bis|date d echeance|echeance|date echeance|remit until|uberweisen sie bis zum|uberweisen bis|bezahlen bis|payable on or before|netto bis|zahlungsfrist|vervaldatum|payable until|falligkeit",
        ),
        r"(due|payment)_?date|due(_on|_by)?|payable_by",
    ),
    "delivery_date": Concept(
        "date",
        (
            "delivery date|date of delivery|date of supply|service date|lieferdatum|leistungsdatum|liefer und leistungsdatum|datum der lieferung|date de livraison|"
            "date de prestation|leistung am|lieferung am|lieferzeitpunkt",
        ),
        r"(delivery|service|supply)_?date",
    ),
    "order_number": Concept(
        "code",
        (
            "order number|order no|purchase order|po number|po no|your order|bestellnummer|bestell nr|bestellung|bestellung nr|ihre bestellung|auftragsnummer|auftrags nr|n bon de commande|"
            "numero de commande|n de commande|commande n|bon de commande|votre commande|votre reference|your order no|order reference",
        ),
        r"(purchase_)?order(_?(number|no|id|reference))|po_?number",
    ),
    "buyer_reference": Concept(
        "code",
        ("buyer reference|your reference|your ref|ihr zeichen|ihre referenz|leitweg id|kaufer referenz|reference acheteur",),
        r"(buyer|customer|your)_?ref(erence)?",
    ),
    "customer_number": Concept(
        "code",
        ("customer number|customer no|customer id|client number|kundennummer|kunden nr|kundennr|ihre kundennummer|numero client|n client|n de client|customer|account number|account no",),
        r"customer_?(number|no|id)",
    ),
    "seller_tax_id": Concept(
        "vat",
        (
            "vat reg no|vat registration number|vat registration no|vat reg|vat number|vat no|vat id|vat identification number|vat id no|vat identification no|ust idnr|ust id nr|ust id|"
            "ust identnr|ust ident nr|ust identifikationsnummer|umsatzsteuer identifikationsnummer|umsatzsteuer id|ustid|n tva|no tva|numero de tva|tva intracommunautaire|n tva intracommunautaire|"
            "tax id|ein|gst no|mwst nr|uid|btw nummer|btw|abn|n de tva|n tva intra|tva intra|ustidnr",
            "tva|vat",
        ),
        r"(seller|supplier|vendor|issuer)_?(vat|tax|ust)_?(id|number|no|nr)?|vat_?(id|number)|tax_?id(entifier)?",
    ),
    "buyer_tax_id": Concept(
        "vat",
        (
            "customer vat number|customer vat no|customer vat id|your vat number|your vat id|your vat no|buyer vat id|ihre ust idnr|ihre ust id nr|ihre ust id|ihre ust identnr|ihre ust ident nr|kunden ust idnr|"
            "ust idnr des kunden|ust id kunde|ihre uid|n tva client|tva client|votre n tva|client vat number|ihre umsatzsteuer identifikationsnummer",
        ),
        r"(buyer|customer|client)_?(vat|tax|ust)_?(id|number|no|nr)?",
    ),
    "seller_tax_no": Concept(
        "code",
        ("steuernummer|steuernr|steuer nr|st nr|tax number|tax no|siret|siren",),
        r"(seller_?)?tax_?(no|number)|steuernummer",
    ),
    "currency": Concept(
        "currency",
        ("currency|wahrung|devise|betrage in|monnaie|all amounts in|valuta|amounts in",),
        r"currency(_code)?|wahrung",
    ),
    "line_total": Concept(
        "money",
        (
            "positionssumme|summe der positionen|summe positionen|sum of lines|lines total|total lines|total lignes|zwischensumme netto|gesamtbetrag der positionen|warenwert",
            "subtotal|sub total|zwischensumme|sous total|total net|total ht|net total|nettobetrag|summe netto|rechnungssumme netto",
        ),
        r"lines?_(total|sum)|sub_?total",
    ),
    "net_total": Concept(
        "money",
        (
            "net total|total net|net amount|total excl vat|total excluding vat|total ex vat|total without tax|total before tax|nettobetrag|nettosumme|netto gesamt|summe netto|gesamt netto|"
            "gesamtbetrag netto|rechnungssumme netto|rechnungssumme ohne ust|total ht|montant ht|total hors taxe|total hors taxes|montant total ht|amount excl vat|taxable amount|gesamtsumme netto|"
            "netto summe|netto betrag|total h t|net invoice amount|total excl btw|betrag netto|total net ht|gesamtbetrag ohne umsatzsteuer|gesamtbetrag ohne ust|nettogesamtbetrag|rechnungsbetrag netto|steuerbasisbetrag gesamt",
            "subtotal|sub total|netto|zwischensumme|summe|sous total|net|total net",
        ),
        r"(total_?)?net(_?(total|amount|sum))?|total_?(without|before|excl)_?tax|subtotal",
    ),
    "tax_total": Concept(
        "money",
        (
            "vat total|total vat|total tax|tax total|vat amount|tax amount|sales tax|steuerbetrag|umsatzsteuerbetrag|mwst betrag|ust betrag|mwst gesamt|ust gesamt|summe mwst|summe ust|total tva|montant tva|"
            "total taxes|gesamtbetrag umsatzsteuer|gesamtbetrag steuer|summe umsatzsteuer|umsatzsteuer gesamt|total de la tva|btw bedrag|steuergesamtbetrag",
            "vat|mwst|ust|umsatzsteuer|mehrwertsteuer|tva|tax|taxes|gst|steuer|btw",
        ),
        r"(total_?)?(tax|vat)(_?(total|amount|sum))?",
    ),
    "gross_total": Concept(
        "money",
        (
            "gross total|total gross|grand total|gross amount|total incl vat|total including vat|total inc vat|invoice total|total amount|total invoice amount|bruttobetrag|bruttosumme|brutto gesamt|"
            "gesamtbetrag brutto|rechnungssumme brutto|rechnungsbetrag|gesamtbetrag|gesamtsumme|rechnungssumme|summe brutto|gesamt brutto|total ttc|montant ttc|montant total ttc|total t t c|"
            "endbetrag|rechnungssumme mit ust|total toutes taxes comprises|rechnungsendbetrag|gesamtbetrag inkl|total including tax|total with tax|brutto summe|gesamtbetrag der rechnung|bruttogesamtbetrag",
            "amount due|total due|total to pay|amount payable|balance due|due payable|zahlbetrag|zu zahlen|zu zahlender betrag|fälliger betrag|net a payer|solde a payer|montant du|"
            "total payable|zahlungsbetrag|zu zahlender gesamtbetrag",
            "total|summe|gesamt|brutto|montant total|sum",
        ),
        r"(total_?)?gross(_?(total|amount|sum))?|(grand|invoice)_?total|total(_amount|_due)?|amount_total",
    ),
    "due_amount": Concept(
        "money",
        (
            "amount due|total due|total to pay|amount payable|balance due|due payable|zahlbetrag|zu zahlen|zu zahlender betrag|fälliger betrag|net a payer|solde a payer|"
            "montant du|total payable|restbetrag|zahlungsbetrag|offener betrag|reste a payer|zu zahlender gesamtbetrag",
            "gesamtbetrag|total ttc|rechnungsbetrag|bruttosumme|gross total|grand total|endbetrag|rechnungssumme brutto",
        ),
        r"due_?amount|amount_?due|balance(_due)?|payable(_amount)?",
    ),
    "prepaid": Concept(
        "money",
        ("prepaid|prepaid amount|paid amount|amount paid|deposit paid|bereits gezahlt|anzahlung|vorauszahlung|gezahlter betrag|acompte|acomptes|deja paye|anzahlungen|montant deja paye|already paid|bereits bezahlt|bereits bezahlter betrag|erhaltene anzahlungen|erhaltene anzahlung|payments received|less payments|deja regle",),
        r"prepaid(_amount)?|(amount_)?paid|deposit",
    ),
    "allowances": Concept(
        "money",
        ("total allowances|total discount|discount total|gesamtbetrag der abschlage|summe abschlage|summe rabatte|total remises|total des remises", "discount|rabatt|nachlass|abschlag|remise|allowance|allowances|korting"),
        r"allowances?(_total)?|discounts?(_total)?|total_discount",
    ),
    "charges": Concept(
        "money",
        (
            "total charges|gesamtbetrag der zuschlage|summe zuschlage|total frais|total des frais",
            "freight|shipping|shipping costs|delivery charge|carriage|fracht|frachtkosten|versand|versandkosten|zuschlag|frais de port|surcharge|postage",
        ),
        r"(sur)?charges?(_total)?|freight|shipping(_costs?)?",
    ),
    "iban": Concept("iban", ("iban|iban nr|iban no|iban nummer|bankverbindung iban",), r"(\w+_)?iban"),
    "bic": Concept("bic", ("bic|swift|swift code|bic swift|swift bic|bic code",), r"(\w+_)?(bic|swift)(_code)?"),
    "valid_from": Concept("date", ("valid from|gultig ab|gultig seit|valable a partir du|valid as of|prices valid from|effective from",), r"valid_(from|since)|effective_(date|from)"),
    "valid_to": Concept("date", ("valid to|valid until|gultig bis|valable jusqu au",), r"valid_(to|until)|expir(y|es)(_date)?"),
    "supplier": Concept("text", ("supplier|lieferant|fournisseur|vendor|seller|verkaufer|anbieter",), r"supplier|vendor|supplier_name"),
    "period": Concept("text", ("period|reporting period|period of measurement|berichtszeitraum|zeitraum|periode|exercice|period covered",), r"(reporting_)?period"),
    "organisation": Concept("text", ("published by|publisher|organisation|organization|herausgeber|editeur|issued by|company name",), r"organi[sz]ation|publisher|published_by"),
}  # fmt: skip

ITEM_CONCEPTS: dict[str, Concept] = {
    "position": Concept("position", ("pos|position|line|no|nr|item no|line no|ligne|n|lfd nr|pos nr|lfd|positions nr",), r"position|pos|line(_?(no|number))?|index"),
    "article_number": Concept(
        "code",
        (
            "article number|article no|article nr|item number|item code|artikelnummer|artikel nr|art nr|artikelnr|unsere art nr|product code|sku|part number|part no|code article|"
            "reference|ref|article code|code|bestellnummer|best nr|unsere artikelnummer|catalogue no|art no",
        ),
        r"(article|item|product|part|catalogue)_?(number|no|code|id)|sku",
    ),
    "gtin": Concept("code", ("gtin|ean",), r"gtin|ean"),
    "description": Concept(
        "text",
        (
            "description|item description|bezeichnung|beschreibung|artikelbezeichnung|artikelbeschreibung|leistung|designation|libelle|product|produkt|artikel|item|goods|service|text|"
            "leistungsbeschreibung|details|particulars|designation des produits|article|omschrijving|produktbezeichnung|product description|item name|nom designation|ware",
        ),
        r"(item_|product_)?(description|designation)|product(_name)?|item(_name)?|text",
    ),
    "quantity": Concept("number", ("quantity|qty|menge|anzahl|quantite|qte|qté|pcs|hours|stuckzahl|aantal|units|stunden|amount of units",), r"quantity|qty|count|menge"),
    "unit": Concept("unit", ("unit|einheit|unite|mengeneinheit|me|uom|ein|meng einheit|unit of measure|eenheid|packing|pack|selling unit|ve",), r"unit(_of_measure)?|uom"),
    "unit_price": Concept(
        "number",
        (
            "unit price|price per unit|einzelpreis|stuckpreis|e preis|ep|preis einheit|preis je einheit|prix unitaire|pu|p u|prix unitaire ht|pu ht|p u ht|preis|price|rate|nettopreis|prix|einzelpreis netto|"
            "net price|stuckpreis netto|unit cost|preis pro einheit|price each|price unit|einheitspreis|net unit price|prijs|list price|listenpreis",
        ),
        r"(unit|net|item|list)_?price|price(_per_unit)?|rate",
    ),
    "amount": Concept(
        "number",
        (
            "amount|line total|total|gesamt|gesamtpreis|betrag|summe|gesamtbetrag|montant|montant ht|total ht|prix ht|prix total|nettobetrag|net amount|entgelt|line amount|total price|g preis|gp|"
            "total net|gesamt netto|betrag netto|extended price|total excl vat|nettowert|bedrag|totaal|gesamtpreis netto|total line|value",
        ),
        r"(line_)?(amount|total)|line_(sum|total|net)|net_amount|total_price",
    ),
    "tax_rate": Concept(
        "rate",
        ("vat|vat rate|tax|tax rate|mwst|ust|mwst satz|ust satz|steuersatz|steuer|tva|taux tva|taux de tva|taxes|taux|vat in|btw|gst|tva rate|umsatzsteuer",),
        r"(vat|tax|mwst|ust)_?(rate|percent|pct)?",
    ),
    "name": Concept("text", ("key figure|indicator|measure|kennzahl|metric|indicateur|item|position|name|chiffre cle|kpi|product|article|bezeichnung|description",), r"name|indicator|metric|measure|label"),
    "value": Concept("number", ("value|wert|valeur|result|figure|amount",), r"value|figure|amount|number"),
    "period": Concept("text", ("period|year|zeitraum|jahr|periode|annee|date|as of",), r"period|year|date"),
}  # fmt: skip

SELLER_LABELS = (
    "from|seller|supplier|vendor|issued by|sold by|verkaufer|lieferant|rechnungssteller|rechnungsersteller|aussteller|leistungserbringer|fournisseur|vendeur|emetteur|billed by|leverancier"
)
BUYER_LABELS = (
    "bill to|billed to|invoice to|sold to|buyer|customer|client|rechnung an|rechnungsempfanger|kaufer|kunde|auftraggeber|leistungsempfanger|kaufer leistungsempfanger|facture a|client facture|"
    "adresse du client|adresse de facturation|billing address|rechnungsadresse|acheteur|destinataire|invoice address|facturer a|klant"
)
OTHER_LABELS = (
    "ship to|deliver to|delivery address|lieferadresse|lieferanschrift|adresse de livraison|bank|bankname|kontonr|kontonummer|konto|blz|account holder|kontoinhaber|telefon|tel|phone|fax|mobile|e mail|email|mail|web|"
    "internet|website|hrb|amtsgericht|registergericht|handelsregister|handelsregisternummer|geschaftsfuhrer|geschaftsfuhrerin|geschaftsfuhrung|terms|payment terms|zahlungsbedingungen|conditions de paiement|gln|"
    "globale nummer|siret|siren|rcs|ape|bearbeiter|ansprechpartner|contact|sachbearbeiter|abweichender warenempfanger|abweichender rechnungsempfanger|warenempfanger|nummer|name|anschrift|address|adresse|"
    "leistungszeitraum|lieferschein|lieferavis|bemerkung|bemerkungen|seite|page|vos references|nos references|vos identifiants|qualifizierung der textart|contact commercial|delivery note|lieferscheinnummer|"
    "facture liee|weitere referenz|hinweis|notes|abteilung|steuerbasisbetrag|zahlungsempfanger|verwendungszweck|skonto|date de debut|date de fin|supply period|kind regards"
)
CARRY_OVER = "carried forward|brought forward|ubertrag|uebertrag|carry over|carryover|report|a reporter|vortrag|ubertrag von seite|ubertrag auf seite|zwischensumme|page total|seitensumme"
LEGAL_FORM = re.compile(
    r"\b(?:GmbH|mbH|AG|KGaA|KG|OHG|UG|e\.\s?K\.|eG|GbR|SE|Ltd|Limited|PLC|plc|LLP|LLC|Inc|Corp|Corporation|S\.?A\.?R\.?L|SARL|SASU?|EURL|S\.A|SA|B\.V|N\.V|BV|NV|S\.r\.l|S\.p\.A|ApS|A/S|Oy|AB|Trust|Institute)(?=\b|\.|\s|$)"
)
CURRENCIES = frozenset(
    "EUR USD GBP CHF SEK NOK DKK PLN CZK HUF RON BGN JPY CNY AUD CAD NZD INR BRL MXN ZAR TRY SGD HKD KRW AED ILS THB".split()
)
SIGNS = {"€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "$": "USD"}


def words(text: str) -> tuple[str, ...]:
    """The folded words of `text`: no case, accents or punctuation."""
    return tuple(fold_word(match[0]) for match in WORD.finditer(text))


def fold_word(word: str) -> str:
    """One word without case and accents."""
    if word.isascii():
        return word.lower()
    decomposed = unicodedata.normalize("NFKD", fold_text(word))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))
