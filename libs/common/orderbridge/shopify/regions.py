"""Countries and provinces as Shopify names them: ISO 3166-1 codes, and province codes where states are written out."""

from __future__ import annotations

from typing import Final


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


COUNTRIES: Final = _codes(
    "AC AD AE AF AG AI AL AM AN AO AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT"
    " BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH"
    " ER ES ET FI FJ FK FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GW GY HK HM HN HR HT HU ID"
    " IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU"
    " LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR"
    " NU NZ OM PA PE PF PG PH PK PL PM PN PS PT PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM"
    " SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA"
    " VC VE VG VN VU WF WS XK YE YT ZA ZM ZW"
)

COUNTRY_ALIASES: Final = {"UK": "GB"}

WITHOUT_POSTAL_CODE: Final = _codes(
    "AE AG AN AO AW BF BI BJ BO BQ BS BW BZ CD CF CG CI CK CM CW DJ DM ER FJ GA GD GH GM GN GQ GY HK KI"
    " KM KN KP LC LY ML MO MR MW NR NU PA QA RW SB SC SL SO SR SS ST SX SY TD TF TG TK TL TO TT TV TZ UG"
    " VU YE ZW"
)


def _table(text: str) -> dict[str, str]:
    """Name and code alike, folded, to the code; an entry is ``CODE Name``."""
    table: dict[str, str] = {}
    for entry in text.split(","):
        code, _, name = entry.strip().partition(" ")
        table[code.casefold()] = table[name.casefold()] = code
    return table


PROVINCES: Final = {
    "US": _table(
        "AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut, DE Delaware,"
        " DC District of Columbia, FL Florida, GA Georgia, HI Hawaii, ID Idaho, IL Illinois, IN Indiana, IA Iowa,"
        " KS Kansas, KY Kentucky, LA Louisiana, ME Maine, MD Maryland, MA Massachusetts, MI Michigan, MN Minnesota,"
        " MS Mississippi, MO Missouri, MT Montana, NE Nebraska, NV Nevada, NH New Hampshire, NJ New Jersey,"
        " NM New Mexico, NY New York, NC North Carolina, ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon,"
        " PA Pennsylvania, RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, UT Utah,"
        " VT Vermont, VA Virginia, WA Washington, WV West Virginia, WI Wisconsin, WY Wyoming, AS American Samoa,"
        " GU Guam, MP Northern Mariana Islands, PR Puerto Rico, VI Virgin Islands, AA Armed Forces Americas,"
        " AE Armed Forces Europe, AP Armed Forces Pacific"
    ),
    "CA": _table(
        "AB Alberta, BC British Columbia, MB Manitoba, NB New Brunswick, NL Newfoundland and Labrador,"
        " NT Northwest Territories, NS Nova Scotia, NU Nunavut, ON Ontario, PE Prince Edward Island, QC Quebec,"
        " QC Québec, SK Saskatchewan, YT Yukon"
    ),
    "AU": _table(
        "ACT Australian Capital Territory, NSW New South Wales, NT Northern Territory, QLD Queensland,"
        " SA South Australia, TAS Tasmania, VIC Victoria, WA Western Australia"
    ),
    "BR": _table(
        "AC Acre, AL Alagoas, AP Amapá, AM Amazonas, BA Bahia, CE Ceará, DF Distrito Federal, ES Espírito Santo,"
        " GO Goiás, MA Maranhão, MT Mato Grosso, MS Mato Grosso do Sul, MG Minas Gerais, PA Pará, PB Paraíba,"
        " PR Paraná, PE Pernambuco, PI Piauí, RJ Rio de Janeiro, RN Rio Grande do Norte, RS Rio Grande do Sul,"
        " RO Rondônia, RR Roraima, SC Santa Catarina, SP São Paulo, SE Sergipe, TO Tocantins"
    ),
}


def country_code(text: str | None) -> str | None:
    """The code that Shopify knows for a country code of Amazon's, or None."""
    code = (text or "").strip().upper()
    code = COUNTRY_ALIASES.get(code, code)
    return code if code in COUNTRIES else None


def province_code(country: str, state: str) -> str | None:
    """The code of a state by its code or name, in countries whose states we know; else None."""
    return PROVINCES.get(country, {}).get(state.strip().rstrip(".").casefold())
