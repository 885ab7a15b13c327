import Quantities
import Report
import Scenario
import Studies

extension Workbench {
    /// Spans of a timeline that a page gets: more than it has pixels, and little enough to travel at every keystroke.
    private static let spans = 6_000

    /// The scenario's text with the settings in it, what it says key by key, and the run: all that the page shows. Faults of the scenario come beside
    /// the text, so that a page shows them where they stand and keeps what was typed.
    func view(_ ask: Ask) throws -> Reply {
        let members = try members(ask)
        let sent = try SentScenario(members)
        let removed = try members.texts("remove", atMost: 200)
        let text = try sent.document.edited(sent.text, sent.settings, removing: removed)
        let name = sent.document.name
        let document = try ScenarioDocument(confined: text, name: name)
        var fields: [(key: String, value: JSONValue)] = [
            ("yaml", .string(text)), ("values", .object(document.values.map { (key: $0.key, value: .string($0.value)) })),
        ]
        do {
            var scenario = try SentScenario.single(Scenario.load(document))
            scenario.settings.seed = try members.whole("seed", 0...Int.max).map(UInt64.init) ?? scenario.settings.seed
            scenario.settings.timeline = true
            let given = scenario
            let answer = try self.ask { study, _ in try study.run(given) }
            fields += [
                ("result", answer.jsonValue()), ("overview", answer.overview), ("picture", answer.pageData(limit: Self.spans)),
            ]
        } catch let errors as ScenarioErrors {
            return .json(.object(fields + [("errors", errors.list)]), status: 422)
        }
        return .json(.object(fields))
    }
}
