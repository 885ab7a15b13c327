import Foundation
import Quantities

// weeks-facts FOLDER OUT: the rows of FOLDER/facts.csv that runs of weeks can answer, published beside simulated, as a table in OUT.

let arguments = CommandLine.arguments
guard arguments.count >= 2 else {
    print("usage: weeks-facts OUT [FOLDER of facts.csv and traces]")
    exit(2)
}
let folder = arguments.count > 2 ? arguments[2] : ""
let traces = "\(folder)/traces"
let hasTraces = FileManager.default.fileExists(atPath: "\(traces)/parcae/p3.csv")
var known = 0
if let text = try? String(contentsOfFile: "\(folder)/facts.csv", encoding: .utf8) {
    known = CSVRecords.split(text) { _, _, _, _ in }.count - 1
}
var facts = Facts(samples: 2000)
try facts.all(traces: hasTraces ? traces : nil)
var lines = [
    "# Runs of weeks beside published facts", "",
    "\(facts.rows.count) figures\(known > 0 ? " for the \(known) facts of the table" : ""), \(facts.rows.count(where: \.holds)) within what is stated; the others of the table are inputs or say nothing that a simulation of runs could answer. "
        + "2,000 samples each; p5 and p95 are of single runs. `make weeks` writes this.", "",
    "| fact | what | published | simulated | p5 | p95 | holds | |", "|---|---|---|---|---|---|---|---|",
]
for row in facts.rows {
    let unit = row.unit.isEmpty ? "" : " \(row.unit)"
    lines.append(
        "| \(row.id) | \(row.what) | \(row.publishedText)\(unit) | \(significant(row.simulated, digits: 8))\(unit) | \(significant(row.low)) | \(significant(row.high)) | \(row.holds ? "yes" : "no") | \(row.remark) |"
    )
}
let text = lines.joined(separator: "\n") + "\n"
print(text)
try text.write(toFile: arguments[1], atomically: true, encoding: .utf8)
