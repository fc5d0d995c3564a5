"""Bring data of one's own: files to upload, and those uploaded before."""

import inspect
from functools import partial

import streamlit as st

from pages._shared.state import change, settings
from pages._shared.summary import sentence
from pages._shared.text import plain
from pages._shared.visitor import remember_visitor, visitor
from resmem_core.common.errors import ResMemError
from resmem_core.data.example_files import EXAMPLES, example_file
from resmem_core.data.loaders.arrays import Arrays
from resmem_core.data.loaders.table import Table
from resmem_core.data.uploads import KINDS, Upload, Uploads, max_bytes
from resmem_core.experiment.runs import Runs

PAGE = {"title": "Your data", "icon": ":material/upload_file:", "section": "Data and runs", "place": 1}


def take_file(mine: Uploads) -> None:
    """Show the place to drop a file, and what became of it."""
    megabytes = max_bytes() // 10**6
    file = st.file_uploader(
        f"A file with what your model says of your data (at most {megabytes} MB)",
        [kind.removeprefix(".") for kind in KINDS],
        max_upload_size=megabytes,
        help="The file is read in full before it is kept. Nothing in it is run: numbers and text only.",
    )
    if file is None:
        return
    if st.session_state.get("uploaded", (None, None))[0] != file.file_id:
        with st.spinner("Reading and checking the file…"):
            # Noted before anything else is drawn, where a newer run of this page may break this one off.
            st.session_state.uploaded = file.file_id, taken(mine, file.name, file.getvalue())
    outcome = st.session_state.uploaded[1]
    if isinstance(outcome, ResMemError):
        st.error(f"{plain(outcome)}. Nothing was kept.", icon=":material/error:")
        return
    st.success(f"**{plain(outcome.name)}** was read and is kept: {described(outcome)}.", icon=":material/check:")
    for note in outcome.notes:
        st.info(plain(sentence(note)), icon=":material/info:")


def taken(mine: Uploads, name: str, content: bytes) -> Upload | ResMemError:
    """Return what was kept, or why nothing was."""
    try:
        return mine.add(name, content)
    except ResMemError as error:
        return error


def described(upload: Upload) -> str:
    """Return what is in an upload, in a line."""
    rows = ", ".join(f"{count:,} {part}" for part, count in upload.rows.items())
    return f"{rows} rows; {upload.dimensions:,} dimensions; {upload.classes:,} classes"


def open_upload(upload: Upload) -> None:
    """Show the whole app on an upload."""
    change(dataset=upload.dataset, backbone="")
    st.switch_page("pages/overview.py")


def entry(mine: Uploads, upload: Upload) -> None:
    """Show one upload, to be opened or deleted."""
    with st.container(border=True, key=f"upload-{upload.id}"):
        st.markdown(f"**{plain(upload.name)}**: {described(upload)}")
        is_shown = shown.dataset == upload.dataset
        st.caption(
            f"{upload.size / 1e6:,.2f} MB, uploaded {upload.created[:16].replace('T', ' ')} UTC"
            + (", shown now on every page" if is_shown else "")
        )
        with st.container(horizontal=True):
            if st.button(
                "Open",
                icon=":material/open_in_new:",
                key=f"open-{upload.id}",
                help="Show every page on this data. The address you see then shows it to whoever you give it to.",
                disabled=is_shown,
            ):
                open_upload(upload)
            with st.popover("Delete", icon=":material/delete:", help="Asks once more."):
                st.write("The file goes, and what was computed from it. This cannot be undone.")
                if st.button("Delete for good", key=f"delete-{upload.id}"):
                    delete(mine, upload)


def delete(mine: Uploads, upload: Upload) -> None:
    """Delete an upload and the runs on it, and leave it if it is what is shown."""
    try:
        if mine.delete(upload.id):
            Runs().forget(upload.dataset)
    except ResMemError as error:
        st.error(plain(error), icon=":material/error:")
        return
    if shown.dataset == upload.dataset:
        change(dataset="digits", backbone="")
    st.rerun()


def formats() -> None:
    """Say what the files hold, with an example of each to take away."""
    with st.expander("What a file holds, with examples", icon=":material/help:"):
        for loader in (Arrays, Table):
            st.markdown(f"**{', '.join(f'`{ending}`' for ending in loader.endings)}**: {inspect.getdoc(loader)}")
        with st.container(horizontal=True):
            for kind in EXAMPLES:
                st.download_button(
                    f"Example {kind}",
                    partial(example_file, kind),
                    f"example{kind}",
                    icon=":material/download:",
                    help="90 made-up examples of 3 classes, in train, validation and test.",
                    key=f"example-{kind}",
                    on_click="ignore",
                )


shown = settings()
st.caption(
    "Embeddings and logits of a model of yours, to be looked at on every page. A file is checked before it is kept; "
    "beneath are those that you uploaded from this browser."
)
mine = Uploads(visitor())
take_file(mine)
formats()
st.header("Your uploads")
uploads = mine.list()
for upload in uploads:
    entry(mine, upload)
if not uploads:
    st.info("None yet. Drop a file above; to try it out, take one of the examples.")
st.caption(
    "Only this browser lists them (a cookie tells it from others) and can delete them. Whoever has the address of a "
    "page that shows an upload can look at it: that is how it is shared. For files that lie on the server, choose "
    "**arrays**, **table** or **folder** as the dataset in the sidebar and type the path."
)
remember_visitor()
