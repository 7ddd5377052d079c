"""States, provinces, prefectures and counties by the codes that Shopify gives them, where an address names one."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_NO_LETTERS: Final = re.compile(r"[\W_]+")


def folded(text: str) -> str:
    """A name without case, accents and punctuation."""
    letters = (each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return _NO_LETTERS.sub(" ", "".join(letters).casefold()).strip()


def _table(text: str) -> dict[str, str]:
    """Code and names alike, folded, to the code; an entry is ``CODE Name/Other name``, in a code ``_`` is a space."""
    table: dict[str, str] = {}
    for entry in text.split(","):
        written, _, names = entry.strip().partition(" ")
        code = written.replace("_", " ")
        for name in (code, *names.split("/")):
            table[folded(name)] = code
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
        " SK Saskatchewan, YT Yukon"
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
    "MX": _table(
        "AGS Aguascalientes/AGU, BC Baja California/BCN, BCS Baja California Sur, CAMP Campeche/CAM, CHIS Chiapas/CHP,"
        " CHIH Chihuahua/CHH, DF Ciudad de México/CDMX/CMX/Distrito Federal/Mexico City,"
        " COAH Coahuila/COA/Coahuila de Zaragoza, COL Colima, DGO Durango/DUR, GTO Guanajuato/GUA, GRO Guerrero,"
        " HGO Hidalgo/HID, JAL Jalisco, MEX México/Estado de México, MICH Michoacán/MIC/Michoacán de Ocampo,"
        " MOR Morelos, NAY Nayarit, NL Nuevo León/NLE, OAX Oaxaca, PUE Puebla, QRO Querétaro/QUE,"
        " Q_ROO Quintana Roo/ROO/QROO, SLP San Luis Potosí, SIN Sinaloa, SON Sonora, TAB Tabasco,"
        " TAMPS Tamaulipas/TAM, TLAX Tlaxcala/TLA, VER Veracruz/Veracruz de Ignacio de la Llave, YUC Yucatán,"
        " ZAC Zacatecas"
    ),
    "IN": _table(
        "AN Andaman and Nicobar Islands/Andaman & Nicobar Islands/Andaman and Nicobar, AP Andhra Pradesh,"
        " AR Arunachal Pradesh, AS Assam, BR Bihar, CH Chandigarh, CG Chhattisgarh/Chattisgarh/CT,"
        " DN Dadra and Nagar Haveli, DD Daman and Diu, DL Delhi/New Delhi, GA Goa, GJ Gujarat, HR Haryana,"
        " HP Himachal Pradesh, JK Jammu and Kashmir/Jammu & Kashmir, JH Jharkhand, KA Karnataka, KL Kerala, LA Ladakh,"
        " LD Lakshadweep, MP Madhya Pradesh, MH Maharashtra, MN Manipur, ML Meghalaya, MZ Mizoram, NL Nagaland,"
        " OR Odisha/OD/Orissa, PY Puducherry/Pondicherry, PB Punjab, RJ Rajasthan, SK Sikkim, TN Tamil Nadu,"
        " TS Telangana/TG, TR Tripura, UP Uttar Pradesh, UK Uttarakhand/UT/Uttaranchal, WB West Bengal"
    ),
    "ES": _table(
        "C A Coruña/La Coruña, VI Álava/Araba, AB Albacete, A Alicante/Alacant, AL Almería,"
        " O Asturias/Principado de Asturias, AV Ávila, BA Badajoz, PM Balears/Baleares/Illes Balears/Islas Baleares,"
        " B Barcelona, BU Burgos, CC Cáceres, CA Cádiz, S Cantabria, CS Castellón/Castelló, CE Ceuta, CR Ciudad Real,"
        " CO Córdoba, CU Cuenca, GI Girona/Gerona, GR Granada, GU Guadalajara, SS Guipúzcoa/Gipuzkoa, H Huelva,"
        " HU Huesca, J Jaén, LO La Rioja, GC Las Palmas, LE León, L Lleida/Lérida, LU Lugo,"
        " M Madrid/Comunidad de Madrid, MA Málaga, ML Melilla, MU Murcia/Región de Murcia, NA Navarra/Nafarroa,"
        " OR Ourense/Orense, P Palencia, PO Pontevedra, SA Salamanca, TF Santa Cruz de Tenerife, SG Segovia,"
        " SE Sevilla, SO Soria, T Tarragona, TE Teruel, TO Toledo, V Valencia/València, VA Valladolid,"
        " BI Vizcaya/Bizkaia, ZA Zamora, Z Zaragoza"
    ),
    "IT": _table(
        "AG Agrigento, AL Alessandria, AN Ancona, AO Aosta, AR Arezzo, AP Ascoli Piceno, AT Asti, AV Avellino, BA Bari,"
        " BT Barletta-Andria-Trani, BL Belluno, BN Benevento, BG Bergamo, BI Biella, BO Bologna, BZ Bolzano,"
        " BS Brescia, BR Brindisi, CA Cagliari, CL Caltanissetta, CB Campobasso, CI Carbonia-Iglesias, CE Caserta,"
        " CT Catania, CZ Catanzaro, CH Chieti, CO Como, CS Cosenza, CR Cremona, KR Crotone, CN Cuneo, EN Enna,"
        " FM Fermo, FE Ferrara, FI Firenze, FG Foggia, FC Forlì-Cesena, FR Frosinone, GE Genova, GO Gorizia,"
        " GR Grosseto, IM Imperia, IS Isernia, AQ L'Aquila, SP La Spezia, LT Latina, LE Lecce, LC Lecco, LI Livorno,"
        " LO Lodi, LU Lucca, MC Macerata, MN Mantova, MS Massa-Carrara, MT Matera, VS Medio Campidano, ME Messina,"
        " MI Milano, MO Modena, MB Monza e Brianza, NA Napoli, NO Novara, NU Nuoro, OG Ogliastra, OT Olbia-Tempio,"
        " OR Oristano, PD Padova, PA Palermo, PR Parma, PV Pavia, PG Perugia, PU Pesaro e Urbino, PE Pescara,"
        " PC Piacenza, PI Pisa, PT Pistoia, PN Pordenone, PZ Potenza, PO Prato, RG Ragusa, RA Ravenna,"
        " RC Reggio Calabria, RE Reggio Emilia, RI Rieti, RN Rimini, RM Roma, RO Rovigo, SA Salerno, SS Sassari,"
        " SV Savona, SI Siena, SR Siracusa, SO Sondrio, TA Taranto, TE Teramo, TR Terni, TO Torino, TP Trapani,"
        " TN Trento, TV Treviso, TS Trieste, UD Udine, VA Varese, VE Venezia, VB Verbano-Cusio-Ossola, VC Vercelli,"
        " VR Verona, VV Vibo Valentia, VI Vicenza, VT Viterbo"
    ),
    "JP": _table(
        "JP-01 Hokkaido/北海道, JP-02 Aomori/青森県, JP-03 Iwate/岩手県, JP-04 Miyagi/宮城県, JP-05 Akita/秋田県,"
        " JP-06 Yamagata/山形県, JP-07 Fukushima/福島県, JP-08 Ibaraki/茨城県, JP-09 Tochigi/栃木県,"
        " JP-10 Gunma/群馬県,"
        " JP-11 Saitama/埼玉県, JP-12 Chiba/千葉県, JP-13 Tokyo/東京都, JP-14 Kanagawa/神奈川県, JP-15 Niigata/新潟県,"
        " JP-16 Toyama/富山県, JP-17 Ishikawa/石川県, JP-18 Fukui/福井県, JP-19 Yamanashi/山梨県, JP-20 Nagano/長野県,"
        " JP-21 Gifu/岐阜県, JP-22 Shizuoka/静岡県, JP-23 Aichi/愛知県, JP-24 Mie/三重県, JP-25 Shiga/滋賀県,"
        " JP-26 Kyoto/京都府, JP-27 Osaka/大阪府, JP-28 Hyogo/兵庫県, JP-29 Nara/奈良県, JP-30 Wakayama/和歌山県,"
        " JP-31 Tottori/鳥取県, JP-32 Shimane/島根県, JP-33 Okayama/岡山県, JP-34 Hiroshima/広島県,"
        " JP-35 Yamaguchi/山口県,"
        " JP-36 Tokushima/徳島県, JP-37 Kagawa/香川県, JP-38 Ehime/愛媛県, JP-39 Kochi/高知県, JP-40 Fukuoka/福岡県,"
        " JP-41 Saga/佐賀県, JP-42 Nagasaki/長崎県, JP-43 Kumamoto/熊本県, JP-44 Oita/大分県, JP-45 Miyazaki/宮崎県,"
        " JP-46 Kagoshima/鹿児島県, JP-47 Okinawa/沖縄県"
    ),
    "AE": _table("AZ Abu Dhabi, AJ Ajman, DU Dubai, FU Fujairah, RK Ras al-Khaimah, SH Sharjah, UQ Umm al-Quwain"),
    "ZA": _table(
        "EC Eastern Cape, FS Free State, GP Gauteng/GT, NL KwaZulu-Natal/KZN, LP Limpopo, MP Mpumalanga,"
        " NW North West, NC Northern Cape, WC Western Cape"
    ),
    "IE": _table(
        "CW Carlow, CN Cavan, CE Clare, CO Cork, DL Donegal, D Dublin, G Galway, KY Kerry, KE Kildare, KK Kilkenny,"
        " LS Laois, LM Leitrim, LK Limerick, LD Longford, LH Louth, MO Mayo, MH Meath, MN Monaghan, OY Offaly,"
        " RN Roscommon, SO Sligo, TA Tipperary, WD Waterford, WH Westmeath, WX Wexford, WW Wicklow"
    ),
}

_KINDS: Final = {
    "IE": re.compile(r"^(?:county|co) "),
    "JP": re.compile(r" (?:prefecture|ken|fu|to)$"),
}
"""Words that say what kind of place it is, beside its name."""


def province_code(country: str, state: str) -> str | None:
    """The code of a state by its code or name, in countries whose states we know; else None."""
    name = folded(state)
    known = PROVINCES.get(country, {})
    if name not in known and country in _KINDS:
        name = _KINDS[country].sub("", name)
    return known.get(name)
