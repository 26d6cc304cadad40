"""Every code a diagnostic may carry, and what it stands for: a code is declared here or nowhere.

E0xx reading, E1xx values and keys, E2xx combinations and dimensions, E3xx expressions,
E4xx data files; Wxxx and Nxxx are warnings and notes of the analysis.
"""

from __future__ import annotations

CODES: dict[str, str] = {
    # reading
    "E001": "file cannot be read",
    "E002": "not a text file in UTF-8",
    "E003": "file too large",
    "E004": "not valid YAML",
    "E005": "nothing in the file",
    "E006": "not a mapping at the top",
    "E007": "duplicate key",
    "E008": "key that is not a string",
    "E009": "tab in the indentation",
    "E010": "anchor, alias or merge key",
    "E011": "tag",
    "E012": "nested too deep",
    "E013": "more than one document",
    "E014": "bad override",
    "E015": "plugin cannot be loaded",
    # values and keys
    "E101": "wrong type",
    "E102": "value out of range",
    "E103": "unknown key",
    "E104": "missing key",
    "E105": "unknown choice",
    "E106": "missing kind",
    "E107": "planned, not supported yet",
    "E108": "number that is not finite",
    "E109": "invalid value",
    # combinations and dimensions
    "E201": "more features than the state holds",
    "E202": "integrator does not take the field",
    "E203": "parametrization does not fit",
    "E204": "no such weight",
    "E205": "smoothness of a weight without a time axis",
    "E206": "data, task and readout do not go together",
    "E207": "name that cannot be taken",
    "E208": "nothing to train on",
    "E209": "too large",
    "E210": "shape that does not fit",
    "E211": "regularizer without a loss",
    "E212": "equation missing or too many",
    "E213": "blocks of the state do not fit",
    "E214": "a backend has no words for it",
    # expressions
    "E301": "not in the expression grammar",
    "E302": "unknown name or function",
    "E303": "shapes in an expression do not fit",
    # data files
    "E401": "data file cannot be read",
    "E402": "data file too large",
    "E403": "malformed data file",
    "E404": "no rows in the data file",
    "E405": "lengths that disagree",
    "E406": "no such column or array",
    "E407": "value that is not a finite number",
    "E408": "label that is no class",
    "E409": "wrong number of features or classes",
    "E410": "split larger than the data",
    "E411": "array of a wrong shape or type",
    "E412": "more points than the set has",
    # warnings and notes of the analysis
    "W201": "the method amplifies what the field does not",
    "W202": "the step is beyond the method's limit",
    "W203": "the field itself amplifies",
    "W204": "the field has no finite slopes, or the states overflow",
    "N201": "stable by construction",
    "N202": "nothing is known by construction",
    "N203": "decays",
    "N204": "stable where it was looked at",
    "N205": "the method amplifies, within what is tolerated",
    "N206": "the step is within the method's limit, the field amplifies",
}
