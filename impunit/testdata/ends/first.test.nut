throw "before any test";
