"""The Japanese of pictures and pages, by their English sentences.

Sentences end in です or ます; labels and headings end in nouns. Terms are those of Japanese textbooks of statistics and
machine learning.
"""

__all__ = ["JAPANESE"]

_TRAINING = {
    "loss": "損失",
    "accuracy": "正解率",
    "step": "ステップ",
    "mini-batch": "ミニバッチ",
    "training, mean of an epoch": "訓練データ（エポックの平均）",
    "held out": "検証データ",
    "validation": "検証データ（訓練データの一部）",
    "best constant prediction": "最良の定数予測",
    "{loss}, a {network} network": "{loss}、{network} のネットワーク",
}

_FRAME = {
    "Dark theme": "ダークテーマ",
    "Light theme": "ライトテーマ",
    "View of {chart}": "{chart}の表示",
    "Keys:": "キー操作：",
    "values,": "値の読み取り、",
    "first and last,": "最初と最後、",
    "close.": "閉じる",
    "The numbers": "数値を見る",
    "Numbers of {chart}": "{chart}の数値",
    "$shown of $all shown.": "$all 件中 $shown 件を表示しています。",
    "Show all": "すべて表示",
    "Show fewer": "表示を減らす",
    "Click a heading to sort.": "見出しをクリックすると並べ替えられます。",
    "chart": "グラフ",
    "unknown": "不明",
    "{low} to {high}": "{low} ～ {high}",
    "{count:,} row": "{count:,} 行",
    "{count:,} rows": "{count:,} 行",
}

_MEASUREMENT = {
    "The loss of {source}": "{source} の損失",
    "The loss of a data set": "データセットの損失",
    "{remark}.": "{remark}。",
    "{mean} ({span})": "{mean}（{span}）",
    "{confidence} interval": "{confidence} 信頼区間",
    "{confidence} interval {interval}": "{confidence} 信頼区間 {interval}",
    "The mean {name} loss is {mean}.": "{name} の平均損失は {mean}です。",
    "The mean {name} loss is {mean}: {compared}.": "{name} の平均損失は {mean}です。{compared}。",
    "more than that of the best constant prediction, {constant}": "最良の定数予測の損失 {constant} を上回っています",
    "less than that of the best constant prediction, {constant}": "最良の定数予測の損失 {constant} を下回っています",
    "{saved} less than that of the best constant prediction, {constant}": (
        "最良の定数予測の損失 {constant} より {saved} 小さい値です"
    ),
    "data": "データ",
    "rows": "行",
    "weight": "重み",
    "clusters": "クラスター",
    "mean loss": "平均損失",
    "rows of infinite loss": "損失が無限大の行",
    "mean loss, other rows": "平均損失（残りの行）",
    "{number}, other rows": "{number}（残りの行）",
    "best constant": "最良の定数予測",
    "standard deviation": "標準偏差",
    "largest loss": "最大の損失",
    "rows left out": "除外された行",
    "The mean is the sum of weight times loss, divided by the sum of weights. Another sample of as many {witness} from "
    "the same source would give another mean; the interval shows how far the two may differ.": (
        "平均は、重みと損失の積の和を重みの和で割った値です。同じ母集団から同じ数の{witness}をもう一度抽出すると、"
        "平均は別の値になります。信頼区間は、その差がどの程度になりうるかを示します。"
    ),
    "The mean is infinite because of {rows} of infinite loss. All means, shares and charts below are those of the "
    "other {others}.": (
        "損失が無限大の行が {rows}あるため、平均は無限大です。以下の平均、割合、グラフは、残りの "
        "{others}についてのものです。"
    ),
    "Every row has an infinite loss: there is nothing to draw.": (
        "すべての行の損失が無限大であるため、描けるものがありません。"
    ),
    "The loss": "損失",
    "Mean loss": "平均損失",
    "measured": "測定値",
    "prediction": "予測",
    "interval": "信頼区間",
    "The line is the interval.": "線は信頼区間です。",
    "The line is the interval. The best constant prediction is the same for every row.": (
        "線は信頼区間です。最良の定数予測は、どの行にも同じ予測を与えます。"
    ),
    "The line is the interval. The best constant prediction is {constant} for every row.": (
        "線は信頼区間です。最良の定数予測は、どの行でも {constant} です。"
    ),
}

_PARTS = {
    "class": "クラス",
    "classes": "クラス",
    "group": "群",
    "groups": "群",
    "(missing)": "（欠損）",
    "By {one}": "{one}別の損失",
    "Every {one}": "すべての{one}",
    "Loss by {one}": "{one}別の損失",
    "Share of the loss": "損失に占める割合",
    "In order": "順番どおり",
    "share of the loss": "損失に占める割合",
    "share of the {unit}": "{unit}の割合",
    "over all rows": "全体の平均",
    "The mean loss of each {one} with its interval; the broken line is the mean over all rows. The mean of a few rows "
    "varies widely: read it with its interval.": (
        "{one}ごとの平均損失とその信頼区間です。破線は全体の平均です。行が少ないと平均は大きくばらつくため、"
        "信頼区間と合わせて読んでください。"
    ),
    "The share of the whole loss that comes from each {one}, with its interval. The upright mark is its share of the "
    "{unit}: a bar that passes the mark has a mean loss above that of all rows.": (
        "損失全体に占める{one}ごとの割合とその信頼区間です。縦の印は{unit}の割合を示します。"
        "棒が印を越えていれば、平均損失は全体の平均を上回っています。"
    ),
    "The mean loss of each {one} with its interval, in order; the broken line is the mean over all rows.": (
        "{one}ごとの平均損失とその信頼区間を順番に並べたものです。破線は全体の平均です。"
    ),
    "The {drawn} worst of {count:,} {many}.": "{count:,} 個の{many}のうち、悪いほうから {drawn} 個です。",
    "No {one} has a mean loss that is higher than that of all rows by more than chance explains.": (
        "平均損失が全体の平均を偶然とは言えないほど上回る{one}はありません。"
    ),
    "The worst {one} for its size is {name}: its mean loss is {mean}, and that of all rows {whole}.": (
        "大きさの割に最も悪い{one}は {name} です。その平均損失は {mean}、全体の平均損失は {whole} です。"
    ),
    "The largest part of the loss, {share}, comes from {one} {name}, which has {weight} of the {unit}.": (
        "損失に占める割合が最も大きい{one}は {name} で、損失の {share} を占めます。{unit}の割合は {weight} です。"
    ),
    "The highest mean loss is that of {one} {name}: {mean}.": (
        "平均損失が最も大きい{one}は {name} で、その値は {mean} です。"
    ),
    "The worst {listed:,} of {count:,} {many}; the measurement holds them all. Click a heading to sort.": (
        "{count:,} 個の{many}のうち、悪いほうから {listed:,} 個です。測定結果にはすべてが含まれています。"
        "見出しをクリックすると並べ替えられます。"
    ),
    "Worst first; click a heading to sort.": "悪い順です。見出しをクリックすると並べ替えられます。",
    "{name}: {share} of the loss ({interval}), {weight} of the {unit}": (
        "{name}：損失の {share}（{interval}）、{unit}の {weight}"
    ),
    "{name}: {mean} over {rows} ({interval})": "{name}：{mean}（{interval}）、{rows}",
}

_ROWS = {
    "Row by row": "行ごとの損失",
    "Losses of single rows": "各行の損失の分布",
    "Rows": "行数",
    "mean": "平均",
    "median": "中央値",
    "99th percentile": "99 パーセンタイル",
    "loss of a row": "行の損失",
    "{share} of the loss": "損失の {share}",
    "The same bars; the height is the share of the loss that these rows make up, each counted once.": (
        "同じ区間の棒です。高さは、その区間の行が損失に占める割合です（各行を1回ずつ数えます）。"
    ),
    "Half of the rows or more have an infinite loss.": "半数以上の行で損失が無限大です。",
    "Half of the rows have a loss below {median}.": "半数の行の損失は {median} 未満です。",
    "The worst 1 % of the rows make up about {share} of the loss, each row counted once.": (
        "損失の大きい 1 % の行が、損失全体の約 {share} を占めます（各行を1回ずつ数えます）。"
    ),
    "{rows} on a logarithmic scale; the first bar also contains all smaller losses.": (
        "{rows}の損失を対数目盛で示しています。最初の棒には、それより小さい損失もすべて含まれます。"
    ),
    "{rows} on a linear scale; the first and the last bar also contain all losses beyond them.": (
        "{rows}の損失を線形目盛で示しています。両端の棒には、その外側の損失もすべて含まれます。"
    ),
    "Not shown: {rows} whose loss is 0.": "損失が 0 の {rows}は示していません。",
    "Not shown: {rows} whose loss is infinite.": "損失が無限大の {rows}は示していません。",
    "The worst rows": "損失の大きい行",
    "Rows are counted from 0. Wrong labels and broken files are often among them.": (
        "行番号は 0 から始まります。ラベルの誤りや壊れたファイルが含まれていることがよくあります。"
    ),
    "image": "画像",
    "row": "行番号",
    "row {row}": "行 {row}",
    "none": "なし",
    "file": "ファイル",
    "target": "正解",
    "predicted": "予測",
    "its probability": "予測の確率",
    "probability of the target": "正解の確率",
    "predicted probability of 1": "1 の予測確率",
}

_LEFT_OUT = {
    "Left out": "除外された行",
    "These rows could not be measured; no number above includes them.": (
        "次の行は測定できませんでした。上の数値にはいずれも含まれていません。"
    ),
    "Reasons": "理由",
    "reason": "理由",
    "{reason} in column {column}": "列 {column}：{reason}",
    "refused by {loss}": "{loss} が受け付けない値",
    "{file} is broken": "ファイル {file} の破損",
    "null": "欠損値（null）",
    "no number": "数値でない値",
    "no class": "クラスでない値",
    "no such class": "存在しないクラス",
    "no text in the file's encoding": "ファイルの文字コードで読めない文字列",
    "a list of another length": "長さの異なるリスト",
    "a line with too few or too many fields": "項目の過不足がある行",
    "outside the domain": "定義域の外の値",
    "predictions that do not sum to 1": "和が 1 にならない予測",
}

_REMARKS = {
    "{count:,} of {of:,} rows gave probability 0 to what happened": (
        "{of:,} 行のうち {count:,} 行で、実際に起きたことの予測確率が 0 です"
    ),
    "{count:,} of {of:,} rows have an infinite loss": "{of:,} 行のうち {count:,} 行で損失が無限大です",
    "; the others average {mean:.5g}": "。残りの行の平均は {mean:.5g} です",
    "; the other costs {mean:.5g}": "。残りの1行の損失は {mean:.5g} です",
    "; --loss-parameter epsilon=1e-6 bounds such losses": (
        "。--loss-parameter epsilon=1e-6 を指定すると、このような損失は有限になります"
    ),
    "({share} of {rows:,} rows looked at)": "（調べた {rows:,} 行の {share}）",
    "prediction: got {told}; {loss} takes {takes}; fix: {fix}": (
        "予測は{told}ですが、{loss} が受け取るのは{takes}です。対処：{fix}"
    ),
    "prediction: got numbers that fit as means: so read they cost {as_means:.4g}, as given {given:.4g}, the best "
    "constant {constant:.4g}; {loss} takes the logarithm of the mean; fix: pass log(prediction)": (
        "予測は平均そのものとして与えられたように見えます。平均と解釈した場合の損失は {as_means:.4g}、"
        "与えられたままでは "
        "{given:.4g}、最良の定数予測では {constant:.4g} です。{loss} が受け取るのは平均の対数です。"
        "対処：log(予測) を渡してください"
    ),
    "prediction: got {whole} {seen} with targets in between, as if both were swapped; fix: name the prediction as "
    "prediction and the target as target; scikit-learn has the other order": (
        "予測は{whole}{seen}で、正解はその間の値です。予測と正解が入れ替わっているようです。"
        "対処：予測を prediction に、正解を target に指定してください（scikit-learn では順序が逆です）"
    ),
    "whole numbers": "整数",
    "0 or 1": "0 か 1 の値",
    "logits": "ロジット",
    "scores, whose sign decides": "符号で判定するスコア",
    "rows between 0 and 1 that sum to 1 {seen}": " 0 と 1 の間で和が 1 になる行{seen}",
    "numbers between 0 and 1 {seen}": " 0 と 1 の間の数{seen}",
    "numbers between 0 and 1 {seen} that fit as probabilities": " 0 と 1 の間の、確率とみなせる数{seen}",
    "pass logits": "ロジットを渡してください",
    "pass logits, such as the logarithms of these probabilities": (
        "ロジット（例えばこれらの確率の対数）を渡してください"
    ),
    "pass scores, such as 2 p - 1 of probabilities p": "スコア（例えば確率 p に対して 2 p - 1）を渡してください",
    "--loss {other}, or {fix}": "--loss {other} を指定するか、{fix}",
}

_CALIBRATION = {
    "Calibration": "較正",
    "calibration": "較正",
    "refinement": "識別",
    "calibrated": "較正された予測",
    "observed": "実際",
    "observed frequency": "実際の頻度",
    "predicted probability": "予測確率",
    "predictions": "予測",
    "cross-entropy": "交差エントロピー",
    "nats": "ナット",
    "part": "内訳",
    "split": "分解",
    "Predicted and observed": "予測と実際",
    "Bins of equal weight": "等重みの区間",
    "Bins of equal width": "等幅の区間",
    "What the cross-entropy is made of": "交差エントロピーの内訳",
    "predicted {predicted}, observed {observed} ({interval}), {rows}": (
        "予測 {predicted}、実際 {observed}（{interval}）、{rows}"
    ),
    "Lines are {confidence} intervals (Wilson). The expected calibration error, the mean distance from the diagonal, "
    "is {error} over {bins} bins.": (
        "線は {confidence} 信頼区間（ウィルソン法）です。期待較正誤差（対角線からの距離の平均）は、{bins} 個の区間で "
        "{error} です。"
    ),
    "Predictions are calibrated if what is predicted with 80 % happens in 80 % of the cases.": (
        "確率 80 % と予測したことが 80 % の頻度で起こるとき、予測は較正されています。"
    ),
    "Predictions are calibrated if what is predicted with 80 % happens in 80 % of the cases. Here the most probable "
    "class of each row is judged: its probability, and whether it is the label.": (
        "確率 80 % と予測したことが 80 % の頻度で起こるとき、予測は較正されています。"
        "ここでは各行で最も確率の高いクラスに"
        "ついて、その確率と、それが正解ラベルかどうかを調べます。"
    ),
    "The cross-entropy of the targets, {whole}, is calibration, {calibration}, plus refinement, {refinement}.": (
        "正解に対する交差エントロピー {whole} は、較正 {calibration} と識別 {refinement} の和です。"
    ),
    "The cross-entropy of whether the top class is right, {whole}, is calibration, {calibration}, plus refinement, "
    "{refinement}.": (
        "最上位のクラスが正解かどうかに対する交差エントロピー {whole} は、較正 {calibration} と識別 "
        "{refinement} の和です。"
    ),
    "Calibration is what the best rising scale of the same predictions would save. Refinement is what they cost on "
    "that scale: only predictions that separate the rows better lower it.": (
        "較正は、同じ予測を最良の単調増加な目盛に直すことで減らせる損失です。識別は、その目盛での損失です。"
        "識別を小さくできるのは、行をよりよく区別する予測だけです。"
    ),
    "Calibration is infinite because of {rows} in which something happened that was predicted with probability 0.": (
        "確率 0 と予測したことが起きた行が {rows}あるため、較正は無限大です。"
    ),
    "The best constant prediction costs {constant}. The scale is an isotonic regression with {levels}, fitted to these "
    "rows, so that calibration looks too large and refinement too small, by about {bias} or a little more. "
    "(Dimitriadis, Gneiting and Jordan 2021.)": (
        "最良の定数予測の損失は {constant} です。目盛は {levels}の単調回帰で、この行自体に当てはめたものです。"
        "そのため、"
        "較正は大きめに、識別は小さめに見え、その差は約 {bias} かそれより少し大きい程度です"
        "（Dimitriadis, Gneiting and Jordan 2021）。"
    ),
    "{count:,} level": "{count:,} 水準",
    "{count:,} levels": "{count:,} 水準",
    "resolution, best constant minus refinement": "分解能（最良の定数予測 − 識別）",
}

_THRESHOLDS = {
    "The decision threshold": "判定のしきい値",
    "By the threshold": "しきい値による変化",
    "Loss and accuracy": "損失と正解率",
    "Unequal costs": "誤りの費用に差がある場合",
    "The loss as an area": "面積としての損失",
    "threshold": "しきい値",
    "decision threshold": "判定のしきい値",
    "threshold {threshold}": "しきい値 {threshold}",
    "threshold {threshold}: accuracy {accuracy}": "しきい値 {threshold}：正解率 {accuracy}",
    "threshold, on the scale of log-odds": "しきい値（対数オッズの目盛）",
    "loss and error rate": "損失と誤り率",
    "error rate": "誤り率",
    "recall": "再現率",
    "false positive rate": "偽陽性率",
    "share": "割合",
    "mean cost": "平均費用",
    "equal costs": "費用が等しい場合",
    "a false negative costs {ratio:g} times as much": "偽陰性の費用が {ratio:g} 倍の場合",
    "a false positive costs {ratio:g} times as much": "偽陽性の費用が {ratio:g} 倍の場合",
    "false positive costs 10 times": "偽陽性の費用が 10 倍",
    "false negative costs 10 times": "偽陰性の費用が 10 倍",
    "costs c and 1 − c": "費用が c と 1 − c",
    "A row is classified as 1 if its probability reaches a threshold. Accuracy and errors change with the threshold; "
    "the loss does not, because it judges the probabilities themselves.": (
        "確率がしきい値以上の行を 1 と判定します。正解率と誤りはしきい値によって変わりますが、損失は変わりません。"
        "損失は確率そのものを評価するからです。"
    ),
    "Accuracy is highest, {accuracy}, at the threshold {threshold}. Positives make up {positive} of the weight.": (
        "正解率はしきい値 {threshold} で最大の {accuracy} になります。陽性は重みの {positive} を占めます。"
    ),
    "At threshold c a false positive costs c and a false negative 1 − c, the costs for which c is the optimal "
    "threshold. The area under the curve is the cross-entropy, {entropy}: the loss is the cost of decisions, "
    "integrated over all such costs (Schervish 1989; Ehm and others 2016).": (
        "しきい値 c では、偽陽性の費用を c、偽陰性の費用を 1 − c とします。これは c が最適なしきい値になる費用です。"
        "曲線の下の面積は交差エントロピー {entropy} に等しく、損失は判定の費用をこのようなすべての費用について積分した"
        "ものです（Schervish 1989、Ehm et al. 2016）。"
    ),
    "A false positive and a false negative cost 1 together; dots mark the cheapest thresholds. For calibrated "
    "predictions these equal the cost of a false positive: 9 %, 50 % and 91 %.": (
        "偽陽性と偽陰性の費用の和を 1 とします。点は費用が最小になるしきい値です。予測が較正されていれば、"
        "それは偽陽性の"
        "費用に等しく、9 %、50 %、91 % になります。"
    ),
    "At a threshold of 50 %, accuracy is {accuracy}, recall (the share of positives that are predicted positive) "
    "{recall}, and the false positive rate {false_positive_rate}.": (
        "しきい値 50 % での正解率は {accuracy}、再現率（陽性のうち陽性と判定された割合）は {recall}、偽陽性率は "
        "{false_positive_rate} です。"
    ),
}

_EXPLANATION = {
    "Why a network follows its loss": "ネットワークが損失を手がかりに学習する理由",
    "Learning means changing the parameters a little, again and again, each time in the direction that helps. That "
    "takes a number that answers even the smallest change. The accuracy does not; the loss does.": (
        "学習とは、パラメータを役に立つ方向へ少しずつ、何度も変えることです。そのためには、ごくわずかな変化にも反応する"
        "数値が必要です。正解率は反応しませんが、損失は反応します。"
    ),
    "{loss} of a {network} network on {data}": "{loss}：{network} のネットワーク、データ {data}",
    "network": "ネットワーク",
    "samples": "データ数",
    "{samples:,} drawn from {of:,}": "{of:,} 個から抽出した {samples:,} 個",
    "{share} ({right:,} of {samples:,})": "{share}（{samples:,} 個中 {right:,} 個）",
    "gradient norm": "勾配のノルム",
    "correct predictions": "正解数",
    "correct predictions, of {samples:,}": "正解数（{samples:,} 個中）",
    "correct, of {samples:,}": "正解数（{samples:,} 個中）",
    "tangent, from the gradient": "接線（勾配から）",
    "tangent": "接線",
    "offset": "変位",
    "distance downhill": "下り方向の移動距離",
    "change of {weight}": "{weight} の変化",
    "far": "広い範囲",
    "near": "狭い範囲",
    "nearest": "ごく狭い範囲",
    "{offset}: loss {loss}, tangent {tangent}, {right:,.0f} correct": (
        "{offset}：損失 {loss}、接線 {tangent}、正解 {right:,.0f} 個"
    ),
    "loss {loss}": "損失 {loss}",
    "accuracy {accuracy}": "正解率 {accuracy}",
    "Downhill: loss against accuracy": "下り坂：損失と正解率の比較",
    "Along the gradient": "勾配に沿った変化",
    "Here all parameters move together, straight against the gradient. The loss bends smoothly, and its tangent, which "
    "the backward pass computes, says which way is down and how steeply.": (
        "ここでは、すべてのパラメータを勾配と正反対の方向へ同時に動かします。損失は滑らかに曲がり、"
        "誤差逆伝播で求まる接線が、"
        "どちらがどれだけ急な下り坂かを教えてくれます。"
    ),
    "The accuracy counts correct predictions. It stays constant, jumps when the predicted class of a sample changes, "
    "and stays constant again: a staircase. On a step its slope is 0, so it does not show a direction.": (
        "正解率は正しい予測を数えたものです。あるデータの予測クラスが変わるときに跳び、それ以外では一定のままの、"
        "階段のような形になります。段の上では傾きが 0 なので、進むべき方向を示しません。"
    ),
    "One weight": "1つの重み",
    "The weight {weight}": "重み {weight}",
    "Now a single weight moves, {weight}, the one with the largest derivative, and all others stay. The gradient "
    "answers this question for every weight: if it grows a little, does the loss rise or fall, and by how much?": (
        "次に、微分の絶対値が最も大きい重み {weight} だけを動かし、ほかは固定します。勾配は、それぞれの重みについて"
        "「少し大きくすると、損失は増えるのか減るのか、どれだけ変わるのか」という問いに答えます。"
    ),
    "{right:,} of {samples:,} predictions are correct, whatever the step: the accuracy is flat. The loss changes by "
    "{change} at {reach:g}.": (
        "この範囲ではどこでも {samples:,} 個の予測のうち {right:,} 個が正しく、正解率は平坦です。損失は変位 "
        "{reach:g} で "
        "{change} 変化します。"
    ),
    "{low:,} to {high:,} of {samples:,} predictions are correct, with {jumps} on the way.": (
        "{samples:,} 個の予測のうち {low:,} ～ {high:,} 個が正しく、途中に跳びが {jumps}あります。"
    ),
    "{count:,} jump": "{count:,} 箇所",
    "{count:,} jumps": "{count:,} 箇所",
    "The slope of the loss is {slope}: it falls to the right.": "損失の傾きは {slope} で、右へ下がります。",
    "The slope of the loss is {slope}: it rises to the right.": "損失の傾きは {slope} で、右へ上がります。",
    "The landscape": "損失の地形",
    "Loss": "損失",
    "Accuracy": "正解率",
    "first direction": "第1の方向",
    "second direction": "第2の方向",
    "second direction {second}, first {first}": "第2の方向 {second}、第1の方向 {first}",
    "loss, first": "損失（第1の方向）",
    "loss, second": "損失（第2の方向）",
    "accuracy, first": "正解率（第1の方向）",
    "accuracy, second": "正解率（第2の方向）",
    "Two random directions span a plane through the parameters; the dot is the network. Each unit's weights move by as "
    "much as they are long, so that landscapes of different networks can be compared (Li and others, 2018).": (
        "ランダムな2つの方向が、パラメータ空間の中に平面を張ります。点が現在のネットワークです。"
        "異なるネットワークの地形を"
        "比べられるよう、各ユニットの重みはその長さに応じて動かします（Li et al. 2018）。"
    ),
    "The loss has a slope at every place. The accuracy consists of flat areas.": (
        "損失にはどこでも傾きがあります。正解率は平らな領域の集まりです。"
    ),
    "The loss runs from {low:.3g} to {high:.3g}.": "損失は {low:.3g} から {high:.3g} までの値をとります。",
    "The accuracy runs from {low} to {high}.": "正解率は {low} から {high} までの値をとります。",
    "A mini-batch is an approximation": "近似としてのミニバッチ",
    "Losses of mini-batches": "ミニバッチの損失",
    "losses": "損失",
    "Error of the mini-batch loss": "ミニバッチの損失の誤差",
    "error": "誤差",
    "expected error": "誤差の予想",
    "The loss over all data is {whole:.5g}. The loss of a random mini-batch estimates it: without bias, and more "
    "closely the larger the batch. Four times as many samples halve the error.": (
        "全データの損失は {whole:.5g} です。ランダムなミニバッチの損失はその不偏推定値であり、"
        "ミニバッチが大きいほど正確です。"
        "データ数を4倍にすると、誤差は半分になります。"
    ),
    "{draws:,} batches of each size. Their root mean squared error is {first_error:.2g} for batches of {first:,} and "
    "{last_error:.2g} for batches of {last:,}.": (
        "大きさごとに {draws:,} 個のミニバッチを抽出しました。二乗平均平方根誤差は、大きさ {first:,} のミニバッチで "
        "{first_error:.2g}、大きさ {last:,} のミニバッチで {last_error:.2g} です。"
    ),
    "The root mean squared difference from the loss over all data. The expectation is the standard deviation of the "
    "samples' losses divided by √size, and less where a batch holds much of the data.": (
        "全データの損失との差の二乗平均平方根です。予想は、各データの損失の標準偏差を √大きさ で割った値で、"
        "ミニバッチが全データの多くを占める場合はそれより小さくなります。"
    ),
    "9 of 10 batches": "10個中9個のバッチ",
    "half of them": "半数のバッチ",
    "9 of 10 batches lie here": "10個中9個のバッチが入る範囲",
    "half of the batches lie here": "半数のバッチが入る範囲",
    "median batch": "中央値のバッチ",
    "all {samples:,} samples": "全 {samples:,} 個のデータ",
    "expected, σ / √size": "予想（σ / √大きさ）",
    "root mean squared error": "全データの損失からのずれ（二乗平均平方根）",
    "batch size": "ミニバッチの大きさ（個）",
    "batch size {size:,}: median {median}, 9 of 10 from {low} to {high}": (
        "大きさ {size:,}：中央値 {median}、10個中9個は {low} ～ {high}"
    ),
    "batch size {size:,}: error {error}, expected {expected}": "大きさ {size:,}：誤差 {error}、予想 {expected}",
}

JAPANESE = {
    **_TRAINING,
    **_FRAME,
    **_MEASUREMENT,
    **_PARTS,
    **_ROWS,
    **_LEFT_OUT,
    **_REMARKS,
    **_CALIBRATION,
    **_THRESHOLDS,
    **_EXPLANATION,
}
