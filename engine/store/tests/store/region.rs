//! Data stays in the region that it was first opened in.

use crate::support::*;
use sonder_store::{Stands, Store, StoreError, StoreOptions};

fn open(dir: &std::path::Path, stands: Stands) -> Result<Option<String>, StoreError> {
    let options = StoreOptions { stands, ..StoreOptions::default() };
    Store::open_with(dir, &shop(), options).map(|(store, _)| store.region().map(str::to_owned))
}

#[test]
fn data_gets_its_region_once_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let region = |name: &str| Stands::In(Some(name.to_owned()));
    assert_eq!(open(dir.path(), Stands::In(None)).unwrap(), None);
    assert_eq!(open(dir.path(), region("eu")).unwrap().as_deref(), Some("eu"), "data from before gets it");
    for stands in [region("eu"), Stands::Anywhere] {
        assert_eq!(open(dir.path(), stands).unwrap().as_deref(), Some("eu"));
    }
    for asked in [Some("us".to_owned()), None] {
        let error = open(dir.path(), Stands::In(asked.clone())).unwrap_err();
        assert!(
            matches!(&error, StoreError::OtherRegion { found, asked: said, .. } if found == "eu" && *said == asked),
            "{error}"
        );
        assert!(error.help().unwrap().contains("--region eu"));
    }
    assert_eq!(open(dir.path(), region("eu")).unwrap().as_deref(), Some("eu"));
}
