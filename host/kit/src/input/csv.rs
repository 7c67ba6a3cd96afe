//! Text in columns, as spreadsheets write it (RFC 4180).

/// The rows of a text, each with the number of the line it begins in.
pub fn rows(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let mut rows = Vec::new();
    let (mut row, mut cell) = (Vec::new(), String::new());
    let (mut line, mut began, mut quoted) = (1, 1, None);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, quoted) {
            ('"', Some(_)) if characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            ('"', Some(_)) => quoted = None,
            ('"', None) if cell.is_empty() => quoted = Some(line),
            (',', None) => row.push(std::mem::take(&mut cell)),
            ('\r', None) => {}
            ('\n', None) => {
                row.push(std::mem::take(&mut cell));
                rows.push((began, std::mem::take(&mut row)));
                began = line + 1;
            }
            (other, _) => cell.push(other),
        }
        if character == '\n' {
            line += 1;
        }
    }
    if let Some(line) = quoted {
        return Err(format!("line {line}: a quote is opened and not closed"));
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push((began, row));
    }
    rows.retain(|(_, row)| row.iter().any(|cell| !cell.is_empty()));
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_commas_lines_and_quotes() {
        let read = rows("a,b\n\"x, \"\"y\"\"\n\",2\r\n\n3,\n").unwrap();
        let cells = |row: &[&str]| row.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        assert_eq!(read, [(1, cells(&["a", "b"])), (2, cells(&["x, \"y\"\n", "2"])), (5, cells(&["3", ""]))]);
        assert_eq!(rows("a\n\"b").unwrap_err(), "line 2: a quote is opened and not closed");
    }
}
