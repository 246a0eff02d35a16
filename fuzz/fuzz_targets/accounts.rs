//! Lines of `/etc/group`: who is a member of what, against a search for words.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (&[u8], &str)| {
    let (name, text) = input;
    let mut expected = Vec::new();
    for line in text.split('\n') {
        let fields: Vec<&str> = line.split(':').collect();
        if let [_, _, number, members, ..] = fields[..]
            && members.split(',').any(|member| member.as_bytes() == name)
            && number.bytes().all(|digit| digit.is_ascii_digit())
        {
            expected.extend(number.parse::<u32>().ok());
        }
    }
    assert_eq!(compat::fuzzing::member_of(text.as_bytes(), name), expected);
});
