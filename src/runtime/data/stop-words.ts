/**
 * English words that carry grammar rather than a topic: articles, pronouns, prepositions, conjunctions, auxiliaries, adverbs of degree and time, and the
 * pieces that a tokeniser leaves of contractions. Topic models are trained without them.
 */
const text = `
a about above according across actually after afterwards again against ago all almost alone along already also although always am among an and another any
anybody anyhow anyone anything anyway anywhere apart are aren around as aside at away b back be became because become becomes been before behind being
below beside besides best better between beyond both but by c came can cannot cant certain certainly come comes could couldn d did didn different do does
doesn doing don done down during e each either else enough especially etc even ever every everybody everyone everything everywhere ex exactly example
except f far few first following for former four from further g generally get gets getting give given gives go goes going gone got h had hadn hardly has
hasn have haven having he hence her here hers herself high him himself his how however i ie if in indeed instead into is isn it its itself j just k keep
kept kind knew know known l last lately later least less let lets like likely ll long look looking looks lot lots m made mainly make makes making many
may maybe me mean means meanwhile might mine more moreover most mostly much must my myself n namely near nearly need needs neither never nevertheless new
next no nobody non none nor not nothing now nowhere o of off often oh ok okay old on once one ones only onto or other others otherwise ought our ours
ourselves out over own p particular particularly per perhaps please possible probably put q quite r rather re really said same saw say saying says second
see seem seemed seems seen several shall she should shouldn since so some somebody somehow someone something sometimes somewhat somewhere soon still such
sure t take taken tell than that the their theirs them themselves then there therefore these they thing things think third this those though thought three
through throughout thus till to together too took toward towards tried try trying twice two u under unless until up upon us use used uses using usually v
ve very via w want wanted wants was wasn way ways we well went were weren what whatever when whence whenever where whereas wherever whether which while
who whoever whole whom whose why will with within without won would wouldn x y yes yet you your yours yourself yourselves z`;

export const stopWords: ReadonlySet<string> = new Set(text.trim().split(/\s+/));
