import Testing

@testable import Import

@Suite("Shell scripts, read and never run")
struct ShellTests {
    @Test(
        "Arithmetic, by hand",
        arguments: [("2+3*4", 14), ("(2+3)*4", 20), ("7/2", 3), ("2**10", 1024), ("1<2?5:6", 5), ("-3%2", -1), ("N*2", 16), ("1==1&&0", 0)])
    func arithmetic(_ text: String, _ value: Int) { #expect(ShellArithmetic.value(text) { $0 == "N" ? 8 : nil } == value) }

    @Test("What is no arithmetic has no value", arguments: ["1/0", "2+", "(1", "9223372036854775807+1", "1 2", "", "2**200"])
    func noArithmetic(_ text: String) { #expect(ShellArithmetic.value(text) { _ in nil } == nil) }

    /// What a script leaves in X.
    private func value(_ script: String) throws -> String? { try ShellScript(script, file: "a.sh").variables["X"] }

    @Test(
        "Expansions, as bash has them",
        arguments: [
            ("A=1; X=${A:-2}", "1"), ("X=${A:-2}", "2"), ("A=; X=${A:-2}", "2"), ("A=; X=${A-2}", ""), ("A=x; X=${A:+y}", "y"),
            ("X=${A:=3}; X=$A", "3"),
            ("A=dir/file.tar.gz; X=${A##*/}", "file.tar.gz"), ("A=dir/file.tar.gz; X=${A%.*}", "dir/file.tar"),
            ("A=aXbX; X=${A//X/-}", "a-b-"),
            ("A=Abc; X=${A,,}", "abc"), ("A=(1 2 3); X=${#A[@]}", "3"), ("A=(1 2 3); X=${A[1]}", "2"),
            ("A=(1 2); A+=(3); X=\"${A[*]}\"", "1 2 3"),
            ("A=abc; X=${#A}", "3"), ("A=B; B=7; X=${!A}", "7"), ("A=abcdef; X=${A:1:3}", "bcd"), ("X='$A'", "$A"),
            ("A=2; X=\"$A\\$\"", "2$"),
            ("A=4; X=$((A * 2 + 1))", "9"), ("A=4; X=`expr $A \\* 3`", "12"), ("X=$(echo a b)", "a b"),
            ("if [ 2 -gt 1 ]; then X=y; else X=n; fi", "y"),
            ("if [[ abc == a* && -z \"$Q\" ]]; then X=y; else X=n; fi", "y"), ("case v2 in v1) X=1;; v2|v3) X=2;; *) X=3;; esac", "2"),
            ("X=; for i in 1 2 3; do X=$X$i; done", "123"), ("f() { X=$1; }\nf hello", "hello"), ("[ -n \"$Q\" ] && X=a || X=b", "b"),
            ("X=1 # two", "1"),
            ("X=a\\\nb", "ab"), ("read -r -d '' X <<EOT\nline\nEOT", "line\n"), ("A=1; ((A += 2)); X=$A", "3"),
            ("X=\"a\" ; X+=\" b\"", "a b"),
            ("A=5\nif [ $A -eq 4 ]; then X=4; elif [ $A -eq 5 ]; then X=5; fi", "5"),
        ])
    func expansions(_ script: String, _ expected: String) throws { #expect(try value(script) == expected, "\(script)") }

    @Test("A value that only a run would tell is carried along with its reason")
    func unknown() throws {
        let script = try ShellScript("A=$(hostname); X=\"n-$A\"", file: "a.sh")
        #expect(script.variables.reason(script.variables.values["X"]?.first ?? "") == "the command $(hostname)")
    }

    @Test("Loops without end, deep nesting and recursion end")
    func limits() throws {
        #expect(throws: (any Error).self) { try ShellScript("f() { f; }\nf", file: "a.sh") }
        _ = try ShellScript("while true; do X=1; done", file: "a.sh")
        _ = try ShellScript("X=" + String(repeating: "$((", count: 200) + "1" + String(repeating: "))", count: 200), file: "a.sh")
    }
}
