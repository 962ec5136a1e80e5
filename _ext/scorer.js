/* The order of what the search finds: sections of chapters, chapters, the rest, and claims and figures last, for there are
   hundreds of them; but one whose id is what was asked for comes first. The numbers below are Sphinx's own. */
var Scorer = {
  score: ([page, , anchor, , score]) => {
    const asked = (new URLSearchParams(location.search).get("q") ?? "").trim().toLowerCase();
    if (/^(claims|figures)\//.test(page)) {
      return page.split("/")[1] === asked ? 1000 : score - 50;
    }
    if (page.startsWith("chapters/")) return score + (anchor ? 60 : 30);
    return score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
