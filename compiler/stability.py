def structural_claims(program):
    return []
