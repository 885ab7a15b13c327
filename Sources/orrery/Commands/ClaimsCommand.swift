import ArgumentParser
import Claims
import Quantities
import Report
import Studies

struct ClaimsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "claims", abstract: "Measure what is claimed for the techniques, each under its conditions.",
        discussion: """
            Each claim is measured now: its scenario of scenarios/claims is simulated with and without the technique, or the figure is one that
            make claims measured by running the algorithms. A verdict is holds, partly, does not hold, or impossible where arithmetic or physics
            forbid it. Without names a table of all; with names everything about those.
            """)
    @Argument(help: "Claims, such as C14 (default: all).") var ids: [String] = []
    @OptionGroup var output: OutputOptions
    @Flag(help: "Print the table in Markdown, as reports/claims/verdicts.md holds it.") var markdown = false
    @OptionGroup var report: ReportOption
    @OptionGroup var jobs: JobsOption

    func validate() throws {
        if markdown, output.json || output.csv { throw ValidationError("--markdown excludes --json and --csv; give one of them") }
    }

    func run() throws {
        let all = try Claim.all()
        var chosen: [Claim] = []
        for id in ids {
            guard let claim = all.first(where: { $0.id == id.uppercased() }) else {
                throw InputError("orrery claims: no claim is called \(id); known are \(all.map(\.id).joined(separator: ", "))")
            }
            chosen.append(claim)
        }
        let claims = chosen.isEmpty ? all : chosen
        let outputs = try Outputs([report.page("claims.html")], inputs: [])
        let progress = Progress("measuring claims", quiet: output.quiet)
        let study = ClaimStudy(study: try Study.shipped(jobs: jobs.count))
        var answers: [ClaimAnswer] = []
        for claim in claims {
            answers.append(try study.answer(claim))
            progress.show(answers.count, of: claims.count)
        }
        progress.finish()
        if output.json {
            try Console.output(JSONValue.array(answers.map(\.json)).text() + "\n")
        } else if markdown {
            try Console.output(ClaimAnswer.markdown(answers))
        } else if output.csv {
            try Console.output(CSVRecords.text(ClaimAnswer.cells(answers)))
        } else {
            try Console.output(chosen.isEmpty ? ClaimAnswer.table(answers) : answers.map(\.text).joined(separator: "\n"))
        }
        report.write(outputs, output.note) { directory throws(ReportError) in
            try ClaimsPage(answers).write(to: directory, version: programVersion)
        }
        try outputs.finish()
    }
}
