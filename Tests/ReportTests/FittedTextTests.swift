import Testing

@testable import Report

@Suite struct FittedTextTests {
    /// Rows keep their columns and lose what stands beyond the edge; sentences are broken; colours take no room.
    @Test func linesEndAtTheEdge() {
        #expect(fitted("name   time   rate\n", width: 12) == "name   time…\n")
        #expect(fitted("  one two three four", width: 11) == "  one two\n  three\n  four")
        #expect(fitted("\u{1B}[1mabcdefghijkl\u{1B}[0m", width: 10) == "\u{1B}[1mabcdefghi…\u{1B}[0m")
        #expect(fitted("short\n\nlines", width: 80) == "short\n\nlines")
        for width in 10...40 {
            let sentence = "the quick brown fox jumps over the lazy dog again and again incomprehensibilities"
            let text = fitted("a  b  c  d  e  f  g  h  i  j  k\n" + sentence, width: width)
            #expect(text.split(separator: "\n").allSatisfy { $0.count <= width })
        }
    }
}
