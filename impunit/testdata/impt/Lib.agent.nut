class Lib { function place() { return "@{PLACE}"; } }
