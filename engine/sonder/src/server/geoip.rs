//! Where IP addresses are, by a file in MaxMind's format that the user has: of countries or of cities, by MaxMind, DB-IP, IPinfo
//! or whoever else writes it. It is read as a whole, and again when another file takes its place.

use crate::cli::output::Failure;
use core::net::IpAddr;
use maxminddb::Reader;
use parking_lot::RwLock;
use serde::Deserialize;
use sonder_core::message::{GeoIp, Place};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often it is looked whether the file is another one.
const EVERY: Duration = Duration::from_secs(5);

/// The file.
pub(super) struct GeoIpFile {
    path: PathBuf,
    database: RwLock<Arc<Reader<Vec<u8>>>>,
}

/// By what a file is told from another in its place.
type Stamp = (Option<SystemTime>, u64);

impl GeoIpFile {
    /// Reads the file, and looks from time to time whether it is another one.
    ///
    /// # Errors
    /// In the user's words, where it is not there or no such file.
    pub fn open(path: &Path) -> Result<Arc<Self>, Failure> {
        let before = stamp(path);
        let database = Reader::open_readfile(path).map_err(|error| {
            Failure::user(format!(
                "could not read `{}`, which is to say where IP addresses are: {error}",
                path.display()
            ))
            .help("it is a database in MaxMind's format (.mmdb), such as GeoLite2-Country.mmdb")
        })?;
        tell(path, &database);
        let file = Arc::new(Self { path: path.to_owned(), database: RwLock::new(Arc::new(database)) });
        tokio::spawn(follow(Arc::downgrade(&file), before));
        Ok(file)
    }
}

impl GeoIp for GeoIpFile {
    fn place(&self, address: IpAddr) -> Option<Place> {
        let database = Arc::clone(&self.database.read());
        // An address of the other kind than the file's, or a record that is not as others are: nobody knows.
        database.lookup(address).ok()?.decode::<Entry>().ok()??.place()
    }
}

/// Reads the file again when it is another one. One that can't be read, maybe because it is still being written, changes nothing.
async fn follow(file: Weak<GeoIpFile>, mut known: Option<Stamp>) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let Some(file) = file.upgrade() else { return };
        let reading = tokio::task::spawn_blocking(move || {
            let found = stamp(&file.path);
            if found == known {
                return known;
            }
            match Reader::open_readfile(&file.path) {
                Ok(database) => {
                    tell(&file.path, &database);
                    *file.database.write() = Arc::new(database);
                }
                Err(error) => {
                    tracing::warn!(file = %file.path.display(), %error, "where IP addresses are: the file can't be read, the one before is used")
                }
            }
            found
        });
        known = reading.await.unwrap_or(known);
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok(), metadata.len()))
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are small")]
fn tell(path: &Path, database: &Reader<Vec<u8>>) {
    let about = database.metadata();
    let built = about.build_time().unwrap_or(UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    metrics::gauge!("sonder_geoip_built_timestamp_seconds").set(built as f64);
    tracing::info!(file = %path.display(), kind = about.database_type, built, "where IP addresses are");
}

/// What such files say, each in its way: MaxMind's and DB-IP's records of countries and cities, or plain texts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    country: Option<Coded>,
    country_code: Option<String>,
    continent: Option<Coded>,
    continent_code: Option<String>,
    subdivisions: Vec<Coded>,
    city: Option<Named>,
}

/// A code, or a record that has one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Coded {
    Text(String),
    Country { iso_code: String },
    Continent { code: String },
    Other {},
}

/// A name, or a record that has one in English.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Named {
    Text(String),
    Record { names: English },
    Other {},
}

#[derive(Debug, Deserialize)]
struct English {
    en: String,
}

impl Entry {
    fn place(self) -> Option<Place> {
        let continent = self.continent.and_then(Coded::code).or(self.continent_code);
        let country = self.country.and_then(Coded::code).or(self.country_code).filter(|code| is_country(code));
        let division = self.subdivisions.into_iter().next().and_then(Coded::code);
        let region = country.as_ref().zip(division).map(|(country, division)| format!("{country}-{division}"));
        let city = match self.city {
            Some(Named::Text(name) | Named::Record { names: English { en: name } }) => Some(name),
            Some(Named::Other {}) | None => None,
        };
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let place = Place { country, region, city: given(city), continent: given(continent) };
        (place != Place::default()).then_some(place)
    }
}

impl Coded {
    fn code(self) -> Option<String> {
        match self {
            Self::Text(code) | Self::Country { iso_code: code } | Self::Continent { code } => Some(code),
            Self::Other {} => None,
        }
    }
}

/// Two capital letters; `ZZ` is what some write for "nobody knows".
fn is_country(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|letter| letter.is_ascii_uppercase()) && code != "ZZ"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn place(entry: Json) -> Option<Place> {
        serde_json::from_value::<Entry>(entry).unwrap().place()
    }

    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn records_of_all_makers_are_understood() {
        let city = json!({
            "city": {"geoname_id": 1, "names": {"de": "Genf", "en": "Geneva"}}, "continent": {"code": "EU", "names": {"en": "Europe"}},
            "country": {"iso_code": "CH", "names": {"en": "Switzerland"}, "is_in_european_union": false},
            "subdivisions": [{"iso_code": "GE", "names": {"en": "Geneva"}}], "registered_country": {"iso_code": "FR"},
        });
        let whole = Place { country: text("CH"), region: text("CH-GE"), city: text("Geneva"), continent: text("EU") };
        assert_eq!(place(city), Some(whole));
        let country = Some(Place { country: text("NL"), ..Place::default() });
        assert_eq!(place(json!({"country_code": "NL"})), country, "ip-location-db");
        assert_eq!(place(json!({"country": "NL", "asn": "AS1"})), country, "IPinfo");
        assert_eq!(
            place(json!({"country": "NL", "country_name": "Netherlands", "city": "", "continent": ""})),
            country
        );
        // Of addresses without a country, such as satellites', the continent may be known.
        assert_eq!(place(json!({"continent": {"code": "AS"}, "country": {}})).unwrap().continent, text("AS"));
        for unknown in
            [json!({}), json!({"country": "ZZ"}), json!({"country_code": "-"}), json!({"country": {"names": {}}})]
        {
            assert_eq!(place(unknown), None);
        }
    }
}
