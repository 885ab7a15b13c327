import Foundation
import Plan
import Simulation
import Studies
import Testing

@testable import Report

@Suite("Terminal")
struct TerminalTests {
    @Test("bars are drawn in eighths of a column")
    func bars() {
        // 8 columns are 64 eighths: 0.5 -> 32 = 4 blocks; 0.3 -> 19.2 = 2 blocks and 3 eighths.
        #expect(bar(0.5, width: 8) == "████    ")
        #expect(bar(0.3, width: 8) == "██▍     ")
        #expect(bar(1.7, width: 3) == "███" && bar(-1, width: 3) == "   " && bar(.nan, width: 3) == "   ")
    }

    @Test("the summary of a run")
    func golden() throws {
        let text = try Fixture.report(stages: 4).summary(style: .plain)
        #expect(text == Self.expected)
        // Nothing is wider than the page.
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
        #expect(!text.contains("\u{1B}"))
    }

    static let expected = """
        Llama-3 405B on 16,384 x h100-sxm-80gb                                               llama3-405b-16k
        ────────────────────────────────────────────────────────────────────────────────────────────────────
          cluster   2,048 nodes of 8, nvlink4 inside, 8 x roce-400g between nodes
          layout    tensor 8 x pipeline 4 x data 512; 1f1b, sequence parallel, ZeRO 1, no recomputation
          training  batch 2,048 x 8,192 tokens, micro-batch 1 (4 a step), bf16, adamw
          software  megatron-lm core-0.8   seed 1, scenario 1f3a9c5e77d20b64, orrery 0.1.0

          Step time   5 s                     p5 4.9 s, p95 5.15 s, n 200
          MFU         43.0 %                  causal count 40.0 %, HFU 43.0 %
          Throughput  3.355 M tokens/s        204.8 a GPU
          Compute     425 TFLOP/s a GPU       425 executed, compute busy 78.0 %

        Step time breakdown (critical path of the slowest stage)
          forward                ██████████████████████████▌                                1.25 s   25.0 %
          backward               █████████████████████████████████████████████████████       2.5 s   50.0 %
          optimizer              █▍                                                        62.5 ms    1.3 %
          tensor-parallel comm   ██████████▋                                                500 ms   10.0 %
          pipeline send/receive  ██▋                                                        125 ms    2.5 %
          data-parallel comm     █▍                                                        62.5 ms    1.3 %
          pipeline bubble        █████████▎                                               437.5 ms    8.8 %
          kernel launch          █▍                                                        62.5 ms    1.3 %
          beside computation     communication that costs no time                           750 ms

        Memory per GPU (peak of each pipeline stage; capacity 80.0 GB)
          stage 0                ████████████████████████▏····························     36.4 GB     46 %
          stage 1                █████████████████████▏·······························     31.8 GB     40 %
          stage 2                ████████████████████·································     30.2 GB     38 %
          stage 3                ███████████████████··································     28.6 GB     36 %

        Run
          Training    59.79 days              929,832 steps, 15.6 T tokens
          GPU time    23.5 M GPU-hours        goodput 90.0 %
          Lost to     failures 4.167 days, checkpoints 33.33 h

        Bill
          Cost        48 M USD                compute 46.5 M USD, energy 1.5 M USD
                      3.08 USD                a million tokens
          Energy      22 GWh                  7,700 t CO2

        Evidence
          62 % measured, 25 % interpolated, 13 % formula (shares of the step's time)
          step time expected within ± 6.0 %

        Warnings
          ! layout.stage_layers: 126 layers over 16 stages are uneven; the first and last stage have 7

        Assumptions
          cluster.gpu peak       989 TFLOP/s bf16 dense       NVIDIA H100 data sheet
          network latency        5 us a message               default of the roce-400g link
        """ + "\n"

    @Test("colours only where asked for, and they add nothing but escape codes")
    func colours() throws {
        let report = try Fixture.report()
        let coloured = report.summary(style: TextStyle(color: true))
        #expect(coloured.contains("\u{1B}[1m"))
        #expect(coloured.replacing(/\u{1B}\[[0-9]+m/, with: "") == report.summary(style: .plain))
        #expect(TextStyle.automatic(isTerminal: true, environment: [:]).color)
        #expect(!TextStyle.automatic(isTerminal: true, environment: ["NO_COLOR": "1"]).color)
        #expect(TextStyle.automatic(isTerminal: true, environment: ["NO_COLOR": ""]).color)
        #expect(!TextStyle.automatic(isTerminal: true, environment: ["TERM": "dumb"]).color)
        #expect(!TextStyle.automatic(isTerminal: false, environment: [:]).color)
    }

    @Test("control characters of a name do not reach the terminal")
    func controls() throws {
        var report = try Fixture.report(name: "a\u{1B}[31mb\nc\u{9B}d")
        report.result.warnings = ["\u{1B}]0;title\u{7}"]
        let text = report.summary(style: .plain)
        #expect(!text.contains("\u{1B}") && !text.contains("\u{7}") && !text.contains("\u{9B}"))
        #expect(text.contains("a\u{FFFD}[31mb\u{FFFD}c\u{FFFD}d"))
    }

    @Test("what does not fit is said with stage, excess and what would fit")
    func unfit() throws {
        var report = try Fixture.report(stages: 4, extraActivations: 60e9)
        report.suggestions = ["recompute: selective (71.4 GB)", "pipeline: 8 (66.0 GB)"]
        // Stage 0: 7.5 + 15 + 2 + (6.4 + 60) + 2.5 + 3 = 96.4 GB; the others 89.5 + 1.6 x (3, 2, 1) - ... = 6.5 + 13 + 2 + 60 + 2.5 + 3 = 87 plus 4.8, 3.2, 1.6.
        #expect(
            report.unfitMessage() == """
                Does not fit: stage 0 needs 96.4 GB on each GPU, 16.4 GB more than the 80.0 GB of h100-sxm-80gb.
                  Largest parts: activations 66.4 GB, gradients 15.0 GB, parameters 7.5 GB. 4 of 4 stages are over.
                  What would fit:
                    - recompute: selective (71.4 GB)
                    - pipeline: 8 (66.0 GB)
                """)
        #expect(try Fixture.report().unfitMessage() == nil)
        #expect(report.summary(style: .plain).contains("Does not fit"))
        #expect(!report.valid)
    }

    @Test("many stages stay readable: equal neighbours share a line, and of the rest the fullest stay")
    func manyStages() throws {
        var report = try Fixture.report(stages: 64)
        for index in 1..<63 { report.result.memory.stages[index] = report.result.memory.stages[1] }
        let folded = report.summary(style: .plain)
        #expect(folded.contains("  stages 1–62 "))
        let all = try Fixture.report(stages: 64).summary(style: .plain)
        #expect(all.contains("  all others, at most "))
        #expect(all.split(separator: "\n").count { $0.hasPrefix("  stage ") } == 15)
    }

    @Test("a comparison marks the best that fits and gives the ratio to the first")
    func comparison() throws {
        let reports = [
            try Fixture.report(name: "base"), try Fixture.report(name: "slower", scale: 1.25),
            try Fixture.report(name: "too big", scale: 0.5, extraActivations: 60e9),
        ]
        // 6.25 / 5 = 1.25; 2.5 / 5 = 0.5, but it needs 55.6 + 60 GB, so the first is the best of those that fit.
        #expect(
            RunAnswer.comparison(of: reports, style: .plain) == """
                  run           step time        x     MFU    tokens/s      memory    wall clock        cost
                ────────────────────────────────────────────────────────────────────────────────────────────────────
                  base                5 s *  1.00x  43.0 % *   3.355 M *   55.6 GB    59.79 days *  48 M USD *
                  slower           6.25 s    1.25x  34.4 %     2.684 M     55.6 GB    74.74 days    60 M USD
                ✗ too big           2.5 s    0.50x  86.0 %     6.711 M    115.6 GB    29.89 days    24 M USD
                ────────────────────────────────────────────────────────────────────────────────────────────────────
                  * best of the runs that fit; ✗ needs more memory than a GPU has; x is the step time over the first run's
                """ + "\n")
        #expect(RunAnswer.comparison(of: [], style: .plain) == "no runs to compare\n")
    }

    @Test(
        "figures for people",
        arguments: [
            (time(0), "0 s"), (time(1.5e-6), "1.5 us"), (time(0.0625), "62.5 ms"), (time(599), "599 s"), (time(3600), "60 min"),
            (time(172_800), "2 days"),
            (time(.nan), "–"), (counted(3_355_443), "3.355 M"), (counted(15.6e12), "15.6 T"), (counted(950), "950"),
            (counted(12_500), "12.5 k"),
            (dollars(0.0312), "0.0312 USD"), (dollars(12.5), "12.50 USD"), (dollars(54_321.4), "54,321 USD"), (dollars(48e6), "48 M USD"),
            (grouped(-1_234_567), "-1,234,567"), (grouped(16384), "16,384"), (grouped(Int.min), "-9,223,372,036,854,775,808"),
            (signedPercent(0.0512), "+5.1 %"), (percent(.infinity), "–"), (bytes(2.2e10), "22 GB"), (shortened("abcdefgh", 5), "ab…gh"),
        ])
    func wording(text: String, expected: String) { #expect(text == expected) }

    @Test("text is wrapped at blanks")
    func wrapping() { #expect(wrapped("aa bb cc dd", after: "  ! ", width: 8, indent: "    ") == "  ! aa\n    bb\n    cc\n    dd") }
}
