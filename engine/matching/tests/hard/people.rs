//! Made-up people who are hard to tell apart: families at one address with one phone, twins, people who moved, records with
//! most values missing, typing errors.

use sonder_dsl::model::Comparison;
use sonder_matching::Records;

/// How hard it is; shares from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Hardness {
    /// Of people, who live with others of the same surname.
    pub in_families: f64,
    /// Of those, who are a twin.
    pub twins: f64,
    /// Of second records, that have another address, phone and postcode.
    pub movers: f64,
    /// Of values but names, that are missing.
    pub missing: f64,
    /// Of values, that are mistyped in a second record.
    pub mistyped: f64,
}

/// Records, and whose each is.
pub struct Made {
    /// The records.
    pub records: Records,
    /// By record, the number of the person.
    pub people: Vec<u32>,
}

const FIRST: [&str; 60] = [
    "anna",
    "bram",
    "clara",
    "daan",
    "eva",
    "finn",
    "greta",
    "hugo",
    "iris",
    "jan",
    "karin",
    "lars",
    "maria",
    "niels",
    "olga",
    "piet",
    "quint",
    "rosa",
    "sven",
    "tessa",
    "ulrich",
    "vera",
    "willem",
    "xenia",
    "yusuf",
    "zoe",
    "robert",
    "elizabeth",
    "william",
    "margaret",
    "james",
    "catherine",
    "john",
    "dorothy",
    "michael",
    "susan",
    "david",
    "nancy",
    "richard",
    "betty",
    "joseph",
    "helen",
    "thomas",
    "sandra",
    "charles",
    "donna",
    "daniel",
    "carol",
    "matthew",
    "ruth",
    "anthony",
    "sharon",
    "mark",
    "michelle",
    "donald",
    "laura",
    "steven",
    "sarah",
    "paul",
    "kimberly",
];
const SYLLABLES: [&str; 24] = [
    "ba", "ber", "dal", "den", "fel", "gan", "har", "hof", "jan", "kal", "kro", "lin", "man", "mul", "nor", "pet",
    "ros", "sen", "ster", "tal", "ven", "ver", "wal", "win",
];

/// The fields, and how they are compared.
pub fn fields() -> Vec<(String, Comparison)> {
    [
        ("first_name", Comparison::Name),
        ("last_name", Comparison::Name),
        ("birthday", Comparison::Date),
        ("email", Comparison::Email),
        ("phone", Comparison::Phone),
        ("street", Comparison::Address),
        ("postcode", Comparison::Postcode),
    ]
    .map(|(name, comparison)| (name.to_owned(), comparison))
    .to_vec()
}

/// So many people, of whom about half have a second record.
pub fn make(people: u32, hardness: Hardness, seed: u64) -> Made {
    let mut dice = Dice(seed);
    let mut rows: Vec<(u32, Vec<Option<String>>)> = Vec::new();
    let mut family: Vec<Vec<Option<String>>> = Vec::new();
    for person in 0..people {
        if family.is_empty() || family.len() == 6 || !dice.happens(hardness.in_families) {
            family = vec![stranger(&mut dice)];
        } else {
            family.push(relative(&family, &mut dice, hardness));
        }
        let mut row = family[family.len() - 1].clone();
        let twice = dice.below(2) == 0;
        let mut first = row.clone();
        lose(&mut first, &mut dice, hardness);
        rows.push((person, first));
        if twice {
            if dice.happens(hardness.movers) {
                move_away(&mut row, &mut dice);
            }
            mistype(&mut row, &mut dice, hardness);
            lose(&mut row, &mut dice, hardness);
            rows.push((person, row));
        }
    }
    // In no order that could help.
    for index in (1..rows.len()).rev() {
        rows.swap(index, dice.below(index as u64 + 1) as usize);
    }
    let mut records = Records::new(&fields()).unwrap();
    for (_, row) in &rows {
        records.push(row.iter().map(Option::as_deref)).unwrap();
    }
    Made { records, people: rows.into_iter().map(|(person, _)| person).collect() }
}

fn stranger(dice: &mut Dice) -> Vec<Option<String>> {
    let (first, last) = (first_name(dice), surname(dice));
    let mut row = vec![Some(first), Some(last), Some(birthday(dice)), None, None, None, None];
    mail(&mut row, dice);
    move_away(&mut row, dice);
    row
}

fn relative(family: &[Vec<Option<String>>], dice: &mut Dice, hardness: Hardness) -> Vec<Option<String>> {
    let mut row = family[family.len() - 1].clone();
    // Nobody calls two children by one name.
    while family.iter().any(|other| other[0] == row[0]) {
        row[0] = Some(first_name(dice));
    }
    if !dice.happens(hardness.twins) {
        row[2] = Some(birthday(dice));
    }
    mail(&mut row, dice);
    row
}

fn mail(row: &mut [Option<String>], dice: &mut Dice) {
    let name = |field: usize| row[field].clone().unwrap_or_default();
    let host = ["mail.example", "post.example", "web.example"][dice.below(3) as usize];
    row[3] = Some(format!("{}.{}{}@{host}", name(0), name(1), dice.below(90) + 10));
}

fn move_away(row: &mut [Option<String>], dice: &mut Dice) {
    row[4] = Some(format!("06{:08}", dice.below(100_000_000)));
    let street = format!("{}straat {}", SYLLABLES[dice.below(24) as usize], dice.below(200) + 1);
    row[5] = Some(format!("{}{street}", SYLLABLES[dice.below(24) as usize]));
    row[6] = Some(format!("{}{}", 1000 + dice.below(600), ["ab", "cd", "ef", "xz"][dice.below(4) as usize]));
}

fn lose(row: &mut [Option<String>], dice: &mut Dice, hardness: Hardness) {
    for value in row.iter_mut().skip(2) {
        if dice.happens(hardness.missing) {
            *value = None;
        }
    }
}

fn mistype(row: &mut [Option<String>], dice: &mut Dice, hardness: Hardness) {
    for value in row.iter_mut().flatten() {
        if dice.happens(hardness.mistyped) {
            let mut letters: Vec<char> = value.chars().collect();
            let place = dice.below(letters.len() as u64 - 1) as usize;
            match dice.below(3) {
                0 => letters.swap(place, place + 1),
                1 => drop(letters.remove(place)),
                _ => letters.insert(place, char::from(b'a' + dice.below(26) as u8)),
            }
            *value = letters.into_iter().collect();
        }
    }
}

fn first_name(dice: &mut Dice) -> String {
    // The first ones are more frequent.
    FIRST[(dice.below(60) * dice.below(60) / 60) as usize].to_owned()
}

fn surname(dice: &mut Dice) -> String {
    let mut part = || SYLLABLES[(dice.below(24) * dice.below(24) / 24) as usize];
    format!("{}{}{}", part(), part(), part())
}

fn birthday(dice: &mut Dice) -> String {
    format!("{:04}-{:02}-{:02}", 1940 + dice.below(70), dice.below(12) + 1, dice.below(28) + 1)
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn happens(&mut self, share: f64) -> bool {
        (self.below(1_000_000) as f64) < share * 1e6
    }
}
