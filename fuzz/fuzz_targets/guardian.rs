//! Messages between guardian and supervisor: what is understood is what was said.
#![no_main]

use pinfold::guardian_line::Say;
use sys::reap::Ending;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // a message is received into so much room
    let bytes = &bytes[..bytes.len().min(sys::handover::LONGEST)];
    let Some(say) = Say::decode(bytes) else { return };
    let said = say.encode();
    assert_eq!(Say::decode(&said).as_ref(), Some(&say));
    match say {
        // of which there are several spellings
        Say::Ended(_, Ending::Unknown) => assert_eq!(said[..13], bytes[..13]),
        _ => assert!(bytes.starts_with(&said), "{say:?}"),
    }
});
