// What #line says is what traces say: of each function, and of the main chunk.
local infos = function(f) { return f.getinfos().src; };
local here = function() { local i = getstackinfos(2); return i.src + ":" + i.line; };
print(here() + "\n");
#line 100 "one.nut"
print(here() + "\n");
local one = function() {
	local at = here();
	return at;
};
#line 7
print(here() + " " + one() + "\n");
#line 40 "two.nut"
local two = function() { return here() + ", called by " + one(); };
print(two() + "\n" + infos(here) + " " + infos(one) + " " + infos(two) + "\n");
