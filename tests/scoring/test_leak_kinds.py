"""What gives an annotation away, in all the ways that a text can say it, beside what is only a cue."""

import pytest

from rise_bench.scoring.leaks import find_leaks, leak_verdicts

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
OBJECTS = (
    "Band Aid",
    "beer bottle",
    "can opener",
    "bus",
    "candle",
    "dog",
    "bookcase",
    "cellular telephone",
    "binoculars",
    "knife",
    "person",
)
SEPARATORS = (
    " ",
    "  ",
    "-",
    "\u2010",
    "\u2011",
    "\u2013",
    "\u2014",
    " - ",
    "\n",
    "\t",
    "\u00a0",
    "\u2009",
    "\u200b",
    "\u00ad",
    "_",
    "--",
)

LEAKS = """
three quarters joy, the rest fear | joy at eighty pct | joy at eighty pct. | joy at eighty p.c.
joy at eighty p. c. | joy at eighty % | joy at eighty ％ | joy at eighty ٪ | joy at eighty percent
joy at eighty per-cent | joy at eighty per hundred | joy at eighty percentage points
joy at twenty five pct | joy at twenty five pct. | joy at twenty five p.c. | joy at twenty five p. c.
joy at twenty five % | joy at twenty five ％ | joy at twenty five ٪ | joy at twenty five percent
joy at twenty five per-cent | joy at twenty five per hundred | joy at twenty five percentage points
joy at ninety-nine pct | joy at ninety-nine pct. | joy at ninety-nine p.c. | joy at ninety-nine p. c.
joy at ninety-nine % | joy at ninety-nine ％ | joy at ninety-nine ٪ | joy at ninety-nine percent
joy at ninety-nine per-cent | joy at ninety-nine per hundred | joy at ninety-nine percentage points
joy at ten pct | joy at ten pct. | joy at ten p.c. | joy at ten p. c. | joy at ten % | joy at ten ％
joy at ten ٪ | joy at ten percent | joy at ten per-cent | joy at ten per hundred
joy at ten percentage points | joy at one hundred pct | joy at one hundred pct.
joy at one hundred p.c. | joy at one hundred p. c. | joy at one hundred % | joy at one hundred ％
joy at one hundred ٪ | joy at one hundred percent | joy at one hundred per-cent
joy at one hundred per hundred | joy at one hundred percentage points | joy at a hundred pct
joy at a hundred pct. | joy at a hundred p.c. | joy at a hundred p. c. | joy at a hundred %
joy at a hundred ％ | joy at a hundred ٪ | joy at a hundred percent | joy at a hundred per-cent
joy at a hundred per hundred | joy at a hundred percentage points | joy at sixty pct | joy at sixty pct.
joy at sixty p.c. | joy at sixty p. c. | joy at sixty % | joy at sixty ％ | joy at sixty ٪
joy at sixty percent | joy at sixty per-cent | joy at sixty per hundred | joy at sixty percentage points
joy at ８０％ | joy 80％ | ｅｉｇｈｔｙ percent | joy at eighty ｐｅｒｃｅｎｔ
fear at ２０ per cent | eightypercent joy
eightyfive percent joy | joy: eightyfivepercent | seventenths joy | fiftyfifty joy and fear
zeropointeight | еighty per cent | eighty pеrcent | ѕeventy per cent | zerо pоint eight | siхty percent
ƒorty per cent | fifty реr сеnt | e-i-g-h-t-y per cent joy | e i g h t y percent joy
eigh\u200bty per cent | eigh\xadty per\xadcent | ei\u2060ghty percent | eighty per\ufeffcent
EIGHTY PER CENT joy | Eighty Percent Joy | eIgHtY pErCeNt | a percentage of eighty | per cent: eighty
percentage eighty for joy | the percentage is about forty | four fifths joy | seven tenths joy
two thirds joy | two-thirds joy and one-third fear | one fifth fear | a fifth goes to fear
joy has nine tenths | three fourths joy | five eighths of the votes | three eighths joy
joy takes seven twentieths | about four fifths of the probability
nearly nine-tenths of people feel joy | eighty hundredths joy | three of four annotators say joy
a tenth of the probability is fear | one tenth of the mass | half the probability is joy
joy gets half, fear gets half | one half joy, one half fear | half joy, half fear | joy half, fear half
half of the probability mass is joy | joy has a share of three fifths
three-fifths for joy, two-fifths for fear | six sevenths joy | joy: two thirds; fear: one third
a third joy, a third fear, a third neutral | a quarter joy and three quarters sadness
one in five feels fear | nine in ten feel joy | four out of five say joy | eight out of ten
eight of ten annotators chose joy | two in ten say fear | one out of every five
nine out of every ten people | one in four | seven in ten | three-in-five | nine times out of ten
one-in-ten chance | six parts joy to four parts fear | eight parts joy, two parts fear | fifty-fifty
fifty fifty between joy and fear | fifty/fifty joy and fear | half and half joy and fear
half-and-half between joy and fear | fifty\u2013fifty | a fifty-fifty split
joy and fear are fifty to fifty | eighty-twenty in favour of joy | eighty to twenty
seventy-thirty for joy | sixty / forty | sixty forty split of joy and fear | it is fifty:fifty
the odds are four to one for joy | odds of three to two | three times as likely as fear
joy is four times more likely than fear | ten times likelier | joy is twice as likely as fear
joy ①, fear ② | joy ⑧, fear ② | joy ❽ fear ❷ | joy ⓼ | ㊇ for joy | joy ⑴ | joy ⒏ | joy ㉑
joy VIII, fear II | joy Ⅷ, fear Ⅱ | joy is LXXX percent | joy ⅷ, fear ⅱ | joy viii, fear ii
the box is at CXX, CCC | joy IV of ten | LXXX per cent | joy XIX, fear XI | joy 八, fear 二
joy 八十, fear 二十 | joy 八成 | joy 百分之八十 | joy 零点八 | joy 〇・八
box at 一百二十, 三百 | joy 七割 | joy 捌拾 | 概率是八成
喜悦占百分之八十 | joy ⁸⁰, fear ²⁰ | joy ₈₀ | joy ⁸/₁₀ | joy ^⁸ | joy ٨٠ | joy ۸۰ | joy ८० | joy ๘๐ | joy ௮
joy 𝟖𝟎 | joy 𝟪 | joy ８０ | joy ০৮ | joy 8️⃣ | joy ፰ | joy 🄀 | joy 🔟 | joy ½, fear ½ | joy ⅘, fear ⅕
joy ¾ | joy ⅞ | joy ⅒ | joy ⅓ | joy ↉ | joy 4⁄5 | x=40, y=60 | at [120, 300 | (120, 300)
box 120 300 40 50 | <120> | 120x300 | 120 by 300 | x1 left | 4-shot | there are 2 dogs | the 1st dog
in 1985 | a probability of eighty | probability eight | the likelihood is nine | confidence of ninety
a score of eight for joy | a weight of six | its probability is about seventy
the chance is nine in ten | the probability of joy is eighty | likelihood: seventy
a confidence near ninety | the probability is one | fear has probability zero
zero probability for fear | the mass on joy is eighty | share of sixty | a rating of seven
joy with weight eight | x forty, y sixty | x is forty and y is sixty | x equals forty
x: forty, y: sixty | x = forty | at x forty y sixty | width forty, height sixty | width of two hundred
its height is three hundred | the box spans from one hundred to two hundred
spans from one hundred to two hundred horizontally | it spans one hundred to two hundred
between one hundred and two hundred | from forty to ninety across | one third of the way down
two thirds of the way across | a quarter of the way in from the left | a third of the way from the top
one third down the image | two thirds down | three quarters across the image
starts a fifth of the way along | the left edge lies at two hundred | left two hundred, top one hundred
left: forty, top: sixty | top left at forty, sixty | the corner is at ten, twenty
corner at ten and twenty | the box is at one hundred twenty, three hundred
the box is at one hundred and twenty, three hundred | coordinates forty sixty ninety ten
coordinates: forty, sixty, ninety, ten | forty, sixty, ninety, ten | at row forty, column sixty
two hundred pixels wide | one hundred and twenty pixels from the left | forty px from the top
forty thousandths from the left | the dog begins at five hundred | it ends at seven hundred and fifty
ends at nine hundred | its right edge reaches eight hundred | up to eight hundred
three hundred by two hundred | forty by sixty | a box of forty by sixty
a three-hundred-by-two-hundred box | it is two hundred wide and one hundred high | two hundred wide
three hundred tall | twenty from the left, forty from the top | centre at five hundred, five hundred
the centre is five hundred | horizontally at two hundred | offset forty | x from ten to ninety
y between forty and sixty | halfway down the image | a tenth of the width | half the width of the image
half of the height | it fills a quarter of the image | one quarter of the picture's width
a third of the image's height | about a third from the left | x one two zero, y three zero zero
position one-two-zero | x, forty; y, sixty | (forty, sixty) | [forty, sixty] | ex forty, why sixty px
joy eight, fear two | joy = eight | joy gets eight, fear two | joy (eight), fear (two)
joy, eight; fear, two | eight for joy, two for fear | joy about eight, fear about two | joy at eighty
joy around seventy | joy → eight | eighty joy, twenty fear | joy scores nine
joy receives six, fear four | joy - eight | joy \u2013 eighty, fear \u2013 twenty
Joy eighty Fear twenty | joy roughly six | joy weighs seven | joy has seventy
seven votes for joy, three for fear | joy with six and fear with four
put joy at eighty and fear at twenty | joyful eighty, fearful twenty | joy equals seven
joy is exactly eight | I'd estimate ninety five percent happiness
Roughly eighty\u2013five per cent of viewers would feel this | sixty-six per cent
around two-thirds of viewers feel joy | the larger share, maybe three fifths, is fear
fear makes up one quarter | I would put it at point seven | zero point one five for anger
oh point eight for joy | a likelihood of zero point two | joy ninety, sadness ten
Joy: Eighty. Fear: Twenty. | joy should get seven tenths of the mass | nine-tenths joy
four in five people | every second person, i.e. fifty percent | one out of three
fifty percent joy fifty percent fear | seventy to thirty | a seventy thirty split
The ratio is three to one | odds three to one | half the mass goes to sadness
half of the probability goes to joy | a half for joy | one half joy and one half sadness
equal halves of joy and fear | a third each for joy, fear and sadness | twenty per cent each
ten pct anger | ten p.c. anger | ten％ anger | joy = 八十 | joy ⑨⓪ | joy ７５ | sadness IX, joy I | joy ⅔
sadness ³⁄₄ | probability ٠٫٨ | joy ८०% | the dog spans x from one hundred to four hundred
the box goes from x equals fifty to x equals ninety | its left side is at three hundred
its top is at forty five | the top left corner is two hundred, one hundred
upper left at one hundred fifty and two hundred | width is about fifty | it is three hundred pixels tall
roughly four hundred by three hundred pixels | starts at two hundred and fifty | ends near eight hundred
located at five hundred, six hundred
coordinates are one hundred, two hundred, three hundred and four hundred
one fifth of the way from the left | two thirds of the image width | three quarters of the way down
a quarter of the way across | halfway across the picture | from one third to two thirds of the width
x is six hundred | y coordinate of seventy | at the x position two hundred
bounding box: ten ten fifty fifty | the y value is three hundred | eight hundred high
height one hundred | height: one hundred and ten | thirty thousandths | eigh-ty per cent
e.i.g.h.t.y percent | eighty   percent | eighty\tpercent | eighty\u2009percent | EIGHTY-PERCENT
ei\u200cghty percent | eighty pеr cent | еight tenths | seven\xadty percent | seventy\u2011five percent
six of ten raters picked joy | six out of ten | eight votes for joy | probability of joy: nine tenths
confidence ninety | joy has a score of nine | with weight eighty | a chance of one in ten
ninety in a hundred | ninety out of one hundred | twice as likely as anger | five times as probable
joy ten times more than fear | joy about eighty | joy, eighty; fear, twenty | mostly joy (eighty)
joy: ninety-ish percent | nearly one hundred percent joy | a hundred percent | one per cent
"""
CUES = """
One of them smiles. | One dog sits at the left. | The left one is darker. | At one point the man turns.
One by one they leave. | No one is there. | Everyone smiles; no one cries. | one person and one chair
The one on the right is bigger than the one on the left. | a big one, and a small one
There is only one. | It is one of the brightest. | Each one is different. | one another
The first one, then the last one. | someone stands there | oneself | one-sided light
One might say that the light is warm. | one or two clouds | Just one, near the edge.
this one; that one | one side is dark, one side is light | one hand up, one hand down
they look as one. | one after the other | There is one in the corner. | one at the top | at first
a second dog stands behind | second-hand clothes | the second from the left
a third person stands behind | the third and fourth windows
First, the light is warm. Second, the sky is clear. Third, they smile. | the tenth floor | a second look
in the first place | the first third-party sign | for a second | a split second | seconds later
second row, fifth seat | on the fourth step | a quarter moon | half moon | the lower half is dark
half of the sky is dark | half of the people smile | half open door
the left half of the picture is bright | half-closed eyes | half in shadow | a half-eaten apple
cut in half | the top half, | the other half | his better half | half a dozen eggs | half asleep
a quarter of an orange | three-quarter view | a three-quarters profile | a three-quarter length portrait
thirds rule in composition | rule of thirds | the living quarters | close quarters | a third wheel
a fifth column of smoke | They point two fingers at the sky. | at that point the man turns
at this point two men leave | From one point two roads lead away. | a focal point
The vantage point is high | point of view | the pointed roof | to the point | one point of light
two points of light | a star with five points | the lines meet at one point.
In the corner two dogs sleep | In the top left corner three birds sit.
At the left edge two trees stand. | To the right four people walk. | The bottom row holds five cups.
In the centre one candle burns. | the width of the road is impressive | the height of the tower
Its height is striking. | the position of the sun | two corners are dark | on top of two books
at the bottom two shoes lie | x marks the spot | the weight of the bag on two shoulders
a likely chance | In the corner, two dogs sleep. | Near the edge, three boats float.
the right side has two windows | the row of three houses | a column of four discs | the top two are blue
the other two, both red, lie lower | between the two trees | between two trees
from one side to the other | from two sides | The two face each other. | the three of them
All four stand close. | in twos and threes | in two groups | in two, | on all fours | a two-story house
a three-legged stool | two-tone car | a ten-speed bicycle | a four-leaf clover | twenty-something people
in their twenties | a twenty-year-old woman | a forty-year-old man sits | hundreds of people
thousands of lights | a hundred people fill the square | one hundred balloons rise
two hundred people gather | dozens of birds | at ten o'clock | a seven-day calendar
nine-to-five workers | the seven wonders | a size ten shoe | three times the man looks back | twice
two times the two dogs | a family of four, all in coats | a family of four.
a group of three in the middle | a pair of shoes | a couple of clouds | two or three people
three or four dogs | one or two lamps | two to three people stand there | five or so birds
some two dozen birds | about ten birds | only two, both small | The dogs, two of them black, sleep.
Of the three, the left is tallest. | two and two | two by two they walk | number of people is small
at least two people | more than two dogs | fewer than ten cars | zero gravity look | ground zero
ten fingers | her ten toes | a ten | a lucky seven | twelve hours | seven days | sixty seconds
six feet away | ten metres away | two feet apart | a mile or two away | an hour or two | forty winks
the roaring twenties | the nineties | The tent is open | a tender look | often they smile
the kitten sleeps | weight on the stone | freight train | the height is great | someone attends
a phone on the bench | canine teeth | the listening child | the tension is high | bones and stones
an antenna | alone in the zone | forlorn | a fine river | the sixth sense of calm | lighten the mood
written signs | threesome of trees | the eighteenth century facade | mixed colours | vivid colours
a civic building | MIX of colours | CD player | DC comics | an XL shirt | The TV is on
I think I see it | a DVD | LED lights | V-shaped valley | an X on the door | vitamin C | Mr. C. stands
a mild, dim light | I, too, see it | per person | a cent lies there | per se | scent of flowers
recent rain | accent wall | a high percentage of the sky | perception | a percussion set
probability is high | cheerless | the chance of rain seems high | mostly calm, hardly tense
very likely calm | an even split of light and dark | a fair share of clouds | quarterback | a quarterly
thirdly, it is warm | a halved orange | behalf of them | fiftieth anniversary banner
Two men shake hands in front of a flag while a third looks on; at first they seem tense.
The picture shows a quiet lake at dusk. One boat is tied to the pier, and four ducks swim in a row.
There is a large red disc at the top left. There is a small blue star at the bottom.
The shapes are discs. Their colour is red. They form a row.
The object is a ring. Its surface is striped.
First I look at the faces: both are calm. Then I look at the sky, which is grey. So the mood is low.
His eyes are half closed and his shoulders hang; on the floor lie two broken cups and one shoe.
The box should start left of the tree and reach to the end of the second bench.
It is the taller of the two buildings, the one with four windows on each floor.
She holds ten balloons in one hand and waves with the other. | Two friends hug each other tightly.
Three children chase a ball in the park. | A man with two suitcases waits at the station.
One woman laughs while the other looks away. | Four chairs stand around one table.
A pair of boots and two gloves lie on the floor. | Six candles burn on the cake.
In the background five tall trees line the road. | To the left of the house two cars are parked.
On the right side of the image three men talk. | At the top of the hill one tree stands.
The first man smiles, the second frowns, and the third stares ahead.
In front of them sits a dog, and behind it two cats. | He raises one arm; with the other he holds a hat.
The scene has two parts: a bright sky and a dark sea. | Both hands are up, ten fingers spread.
She is one of the guests. | There is one boat and no people.
The picture is split in two by the horizon. | The upper third of the picture is sky.
The lower half is water. | A quarter moon shines. | Half of his face is in shadow.
They are half asleep. | The building has twelve windows and one door.
A crowd of thirty people fills the room. | Hundreds of candles light the hall.
A dozen roses lie on the bed. | It is about two in the afternoon, judging by the shadows.
A clock shows ten past ten. | The boy looks about five years old. | The girl seems to be ten years old.
A twenty-story tower rises. | The number of people is low, maybe two or three.
One can see that the mood is low. | One by one the lights go out.
At one end of the table sits a child. | One might think it is night. | I see one more bird.
A one-way street leads down. | The two of them look at one another. | These two are close.
All three wear red. | The other four stand back. | Each of the six faces is calm.
Every one of them smiles. | None of the five looks at the camera. | More than ten flags hang there.
Two or three leaves float in the water. | Three to four waves roll in. | A group of seven walks by.
The couple holds hands, and their two kids run ahead. | From left to right: a chair, a lamp, two books.
Near the left edge there are two small boats. | The corner of the room holds three plants.
The centre of the image shows one large flower. | In the top right corner two birds fly.
The edge of the roof has four chimneys. | A row of ten houses stretches back.
The column of smoke rises between two hills. | He points one finger at the viewer.
She points to two boxes. | Point by point, the mood is low. | From this point of view two roads meet.
The vanishing point lies behind three trees. | The weight of two bags pulls him down.
Its height, compared with the two men, is large. | The width of three lanes is visible.
The chance that it rains is high. | The probability that it is night is high.
There is little likelihood of danger here. | The share of sky is large.
A high percentage of the picture is dark. | The scent of pine fills the air.
A recent photo of one old house. | For one thing, the sky is dark; for another, the road is empty.
Two hearts, one love, says the sign. | The light in the one window is warm. | No one knows the hour.
She wears number-free clothes. | The seventh seal is a film.
It looks like a nineteenth century painting. | In the nineties style. | A thousand stars shine.
A thousand thanks, the card says. | One hundred balloons float up. | Fifty people cheer.
Twenty candles and two wreaths. | An eight-legged spider. | A two-lane road and a one-eyed cat.
The three-piece suit fits. | The four corners of the carpet. | Five past noon. | The six o'clock light.
A mild and vivid mix of lilac. | The CD on the table, a DVD, and an LCD screen.
I think I can see it all. | XL shirts hang there. | An X-ray of the hand. | The word YES in capitals.
They sit across from one another. | The box on the left is bigger than the two on the right.
The dog is at the bottom, left of the two balls. | It spans from the tree to the two benches.
It reaches from one wall to the other. | Between the two lamps lies a cat.
The object starts at the left of two trees and ends at the third. | Left of centre stand two shapes.
The shapes are crosses. Their colour is blue. The ground is golden. They form a square.
There is a small dotted white cross at the top right. There is a large plain red moon at the bottom.
"""
NAMED = {
    EMOTIONS: [
        "the mood is j-o-y",
        "the mood is joy\xadful",
        "j\u200boy fills the air",
        "ｊｏｙ fills the air",
        "jоy fills the air",
        "the jóy of it",
        "the joý of it",
        "j o y fills it",
        "_joy_ it is",
        "joy's light",
        "the joy’s light",
        "*joy*",
        "joy/fear",
        "joy-filled",
        "overjoyed people",
        "fear-inducing",
        "anger-filled",
    ],
    OBJECTS: [
        "a Band Aid lies there",
        "a band aid lies there",
        "a Band-Aid lies there",
        "two band-aids lie there",
        "a bandaid lies there",
        "BAND AID on the arm",
        "a band\xa0aid here",
        "a band  aid here",
        "a beer bottle stands",
        "Beer-Bottle on a table",
        "beer bottles stand",
        "a beer_bottle stands",
        "a can opener",
        "can-openers hang",
        "a bus waits",
        "many buses wait",
        "the bus's wheel",
        "candles burn",
        "a candle burns",
        "the candle’s flame",
        "a dog sleeps",
        "dogs sleep",
        "the dog's ear",
        "a bookcase",
        "bookcases",
        "a cellular telephone",
        "cellular telephones",
        "cellular-telephone",
        "binoculars lie there",
        "a binocular lies there",
        "the knife is long",
        "the knives are long",
        "a person stands",
        "persons stand",
        "a person's hand",
        "some people stand there",
    ],
    ("café", "zebra"): ["un café noir", "two cafes", "the CAFÉ", "the café there"],
    ("cafe", "zebra"): ["a cafés row"],
    ("naive", "zebra"): ["naïve look"],
    ("Hund", "zebra"): ["ein großer Hund"],
    ("कल", "zebra"): ["यह कल है"],
    ("猫", "zebra"): ["一只猫在桌上"],
    ("แมว", "zebra"): ["แมวนอน"],
    ("Strasse", "zebra"): ["Straße dort"],
    ("Straße", "zebra"): ["the STRASSE"],
    ("wolf", "zebra"): ["two wolves"],
    ("child", "zebra"): ["children play"],
    ("man", "zebra"): ["men walk"],
    ("woman", "zebra"): ["women walk"],
    ("mouse", "zebra"): ["the mice run"],
    ("lady", "zebra"): ["ladies sit"],
    ("box", "zebra"): ["boxes stand"],
    ("leaf", "zebra"): ["the leaves fall"],
    ("church", "zebra"): ["the churches"],
    ("tomato", "zebra"): ["tomatoes lie"],
    ("skis", "zebra"): ["skis lean", "a ski leans"],
    ("scissors", "zebra"): ["scissors lie"],
    ("foot", "zebra"): ["feet show"],
    ("goose", "zebra"): ["geese swim"],
    ("happiness", "zebra"): ["happily they run", "a happy child"],
    ("happy", "zebra"): ["the happier face", "happiness shows"],
    ("angry", "zebra"): ["angers them", "their anger"],
    ("joyful", "zebra"): ["full of joy"],
    ("fearful", "zebra"): ["fear grows"],
    ("surprising", "zebra"): ["they were surprised"],
    ("excitement", "zebra"): ["excited faces", "exciting light"],
    ("amusement", "zebra"): ["amusing scene", "amused face"],
    ("anxiety", "zebra"): ["an anxious face"],
    ("pride", "zebra"): ["proud stance"],
    ("calm", "zebra"): ["calmness reigns", "calming blue"],
    ("contentment", "zebra"): ["content smile"],
    ("love", "zebra"): ["lovely light", "loving eyes"],
    ("boredom", "zebra"): ["boring wall", "bored faces"],
    ("serenity", "zebra"): ["a serene lake"],
    ("curiosity", "zebra"): ["curious eyes"],
    ("disgusted", "zebra"): ["disgust shows"],
    ("depression", "zebra"): ["depressing light"],
    ("tree", "zebra"): ["trees stand"],
    ("cloud", "zebra"): ["cloudy sky"],
    ("run", "zebra"): ["running men"],
    ("stop", "zebra"): ["stopped cars"],
}
NOT_NAMED = {
    OBJECTS: [
        "busy streets",
        "a busy man",
        "the business suit",
        "busted tyre",
        "ambush",
        "sandy beach",
        "the dogma",
        "a hot day",
        "candid smile",
        "bandaged arm",
        "a band plays",
        "the aid worker",
        "beer on tap",
        "a bottle of wine",
        "an opener for cans",
        "we can open it",
        "the telephone rings",
        "cellular structure",
        "a bookshelf",
        "books in a case",
        "knit wear",
        "personal style",
        "impersonal",
        "personality",
        "a briefcase",
        "robust",
        "rebus",
        "a robust bench",
    ],
    EMOTIONS: [
        "They enjoy it",
        "dangerous road",
        "killjoys",
        "enjoyment",
        "a sandy path",
        "crusade",
        "ambassador",
        "the seafarer",
        "afar",
        "unafraid",
        "the disguise",
        "a guest",
        "a sprint",
        "rejoice",
        "danger",
        "stranger",
        "ranger",
        "manger",
        "hangers on the rack",
        "the neutron star",
        "crusader statue",
        "saddle",
        "saddlebag",
        "a saddle on the horse",
        "a cheerful face",
        "gloomy weather",
        "smiles all around",
        "tears run down",
        "the palisade",
        "arsenal",
        "feather",
        "feat",
        "sea air",
    ],
    ("hat", "zebra"): ["she hated it"],
    ("star", "zebra"): ["stared at it", "staring eyes", "restart"],
    ("car", "zebra"): ["they cared", "a caring hand", "the carpet"],
    ("cat", "zebra"): ["cattle graze", "category", "catch the ball"],
    ("bat", "zebra"): ["a bathing girl"],
    ("cap", "zebra"): ["capable hands"],
    ("pen", "zebra"): ["the penny", "open door"],
    ("table", "zebra"): ["tablets turn"],
    ("fork", "zebra"): ["forklift"],
    ("spoon", "zebra"): ["spook"],
    ("plane", "zebra"): ["planet", "planted trees"],
    ("boat", "zebra"): ["a boa"],
    ("ove", "zebra"): ["oven-baked"],
    ("tree", "zebra"): ["treat"],
    ("ski", "zebra"): ["skin"],
    ("कल", "zebra"): ["कला यहाँ", "काल यहाँ"],
    ("man", "zebra"): ["the mandate", "human", "Roman"],
    ("ring", "zebra"): ["bring it", "spring flowers"],
    ("cross", "zebra"): ["across the road"],
    ("disc", "zebra"): ["discuss it", "discover it"],
    ("moon", "zebra"): ["monsoon"],
}


def texts(block):
    return [text.strip() for text in block.replace("\n", "|").split("|") if text.strip()]


def test_values_are_found_however_they_are_said():
    assert [text for text in texts(LEAKS) if not leak_verdicts(text, EMOTIONS)[0]] == []
    assert [text for text in texts(LEAKS) if not find_leaks(text)] == []


def test_cues_are_not_leaks():
    assert [text for text in texts(CUES) if any(leak_verdicts(text, EMOTIONS))] == []


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_what_stands_between_the_words_does_not_matter(separator):
    for phrase in (
        "eighty per cent",
        "thirty five percent",
        "zero point eight",
        "seven tenths",
        "three quarters",
    ):
        text = f"a clear case of {phrase.replace(' ', separator)} here"
        assert find_leaks(text), text
    assert find_leaks(f"the edge is at one{separator}hundred{separator}twenty")
    assert leak_verdicts(f"a Band{separator}Aid lies there", ["Band Aid"]) == (False, True)


@pytest.mark.parametrize("name", ["joy", "fear", "sadness"])
@pytest.mark.parametrize("number", ["eight", "two", "forty", "zero", "ninety-five", "one"])
def test_a_number_beside_a_class_is_a_value(name, number):
    for text in (
        f"The light is warm; {name} {number}.",
        f"{name}: {number}, and little else",
        f"{name} is {number}.",
    ):
        assert leak_verdicts(text, EMOTIONS)[0], text


@pytest.mark.parametrize("count", ["two", "three", "ten", "twelve", "twenty", "a hundred"])
def test_a_count_before_its_noun_is_a_cue(count):
    for text in (
        f"{count.capitalize()} dogs play.",
        f"In the corner {count} dogs sleep.",
        f"There are {count} small birds; they sing.",
        f"At the left edge {count} trees stand.",
        f"They point {count} fingers at the sky.",
    ):
        assert not find_leaks(text), text


def test_names_are_found_in_their_forms_and_only_as_whole_words():
    for named, expected in ((NAMED, True), (NOT_NAMED, False)):
        for classes, phrases in named.items():
            assert [t for t in phrases if leak_verdicts(t, classes)[1] is not expected] == []


def test_spans_point_into_the_text_as_it_was_written():
    text = "ｊo\u200by at eigh\u00adty\u2011per cent, ⑧ and Caf\u00e9s"
    spans = find_leaks(text, classes=["joy", "cafe"])
    assert [text[s.start : s.end] for s in spans] == [s.text for s in spans]
    assert [s.text for s in spans] == ["ｊo\u200by", "eigh\u00adty\u2011per cent", "⑧", "Caf\u00e9s"]


@pytest.mark.parametrize(
    "piece",
    [
        "one ",
        "eighty ",
        "eighty",
        "x forty ",
        "joy is ",
        "e-",
        "iv ",
        "tenten ",
        "half ",
        "\u0316\u0300",
        "é ",
        "(",
        "1,",
        "百",
    ],
    ids=ascii,
)
def test_judging_any_text_takes_little_time(piece):
    """A tenth of a second and less where nothing else runs; something quadratic takes minutes."""
    classes = (*EMOTIONS, "a" * 399, "Band Aid", *(f"class {i}" for i in range(500)))
    leak_verdicts(piece * (60_000 // len(piece)), classes)
    find_leaks(piece * (20_000 // len(piece)), classes=classes)
